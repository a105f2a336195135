import { openAsBlob } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../support/clips.ts'
import { SHORT, SPANISH } from './served.ts'
import type { Served } from './served.ts'

/** whisper-asr-webservice's routes, as Bazarr and others ask. */
export function describeAsr(of: () => Served): void {
  const ask = async (path: string, file: Blob, authorization = `Bearer ${of().key}`): Promise<Response> => {
    const form = new FormData()
    form.append('audio_file', file, 'talk.wav')
    return await fetch(`${of().url}${path}`, { method: 'POST', body: form, headers: { authorization } })
  }
  /** Behind the header of a WAV. */
  const samples = async (): Promise<Blob> => new Blob([(await readFile(SHORT)).subarray(44)])

  describe('whisper-asr-webservice', () => {
    test.each([
      ['', /^The meeting[^\n]*\n$/],
      ['txt', /^The meeting[^\n]*\n$/],
      ['srt', /^1\n00:00:00,\d{3} --> [\d:,]+\nThe meeting[^\n]*\n\n$/],
      ['vtt', /^WEBVTT\n\n00:00\.\d{3} --> [\d:.]+\nThe meeting[^\n]*\n\n$/],
      ['tsv', /^start\tend\ttext\n\d+\t\d+\tThe meeting[^\n]*\n$/],
      ['json', /"text": " The meeting/],
    ])('output=%s', async (output, expected) => {
      const response = await ask(
        `/asr?task=transcribe&language=en&encode=true&output=${output}`,
        await openAsBlob(SHORT),
      )
      const text = await response.text()
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8'])
      expect(response.headers.get('content-disposition')).toBe(
        `attachment; filename="talk.wav.${output === '' ? 'txt' : output}"`,
      )
      expect(text).toMatch(expected)
    })

    test('Bazarr: bare samples, its flags, and the key as the password of its URL', async () => {
      const password = `Basic ${Buffer.from(`sotto:${of().key}`).toString('base64')}`
      const query = 'task=transcribe&language=en&output=srt&encode=false&vad_filter=False&initial_prompt='
      const response = await ask(`//asr?${query}`, await samples(), password)
      expect(await response.text()).toContain('The meeting starts')
      const detected = await ask('/detect-language?encode=false', await samples(), password)
      expect(await detected.json()).toEqual({ detected_language: 'english', language_code: 'en' })
    })

    test('the language of a file is detected', async () => {
      const detected = await ask('/detect-language', await openAsBlob(fixture('de-short.webm')))
      expect(await detected.json()).toEqual({ detected_language: 'german', language_code: 'de' })
    })

    test('words, and a translation', async () => {
      const timed = await ask('/asr?word_timestamps=true&output=json', await openAsBlob(SHORT))
      expect(await timed.json()).toMatchObject({
        segments: [{ words: expect.arrayContaining([expect.objectContaining({ word: ' The' })]) }],
      })
      const translated = await ask('/asr?task=translate&language=es', await openAsBlob(SPANISH))
      expect(await translated.text()).toMatch(/I drink coffee every morning\..*euros\./s)
    })

    test.each([
      ['/asr?output=lrc', 400],
      ['/asr?language=klingon', 400],
      ['/asr?diarize=true', 400],
      ['/asr?task=sing', 400],
    ])('%s: %d', async (path, status) => {
      const response = await ask(path, new Blob(['x']))
      expect([response.status, await response.json()]).toEqual([status, { code: status, message: expect.any(String) }])
    })

    test('asks for a key as everything does', async () => {
      const open = await fetch(`${of().url}/asr`, { method: 'POST' })
      expect([open.status, await open.json()]).toMatchObject([401, { code: 401 }])
      const wrong = await ask('/asr', new Blob(['x']), `Basic ${Buffer.from('sotto:wrong').toString('base64')}`)
      expect(wrong.status).toBe(401)
    })
  })
}
