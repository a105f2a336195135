import { createReadStream } from 'node:fs'
import { openAsBlob } from 'node:fs'
import OpenAI, { toFile } from 'openai'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../support/clips.ts'
import { wordErrors, words } from '../../support/word-error-rate.ts'
import { MINUTE, SHORT, SHORT_TEXT, SPANISH } from './served.ts'
import type { Served } from './served.ts'

/** OpenAI's own client for Node, of which nothing is changed but the base URL. */
export function describeNodeClient(of: () => Served): void {
  const client = (base = '/v1'): OpenAI =>
    new OpenAI({ baseURL: `${of().url}${base}`, apiKey: of().key, maxRetries: 0 })
  const file = (path = SHORT): ReturnType<typeof createReadStream> => createReadStream(path)

  describe('the official client for Node', () => {
    test.each(['/v1', '/v1/', '/openai/v1', '//v1//'])('asks for a transcript at %s', async (base) => {
      const {
        data,
        response,
        request_id: requestId,
      } = await client(base).audio.transcriptions.create({ file: file(), model: 'whisper-1' }).withResponse()
      expect(data).toEqual({ text: SHORT_TEXT, usage: { type: 'duration', seconds: 4 } })
      expect(requestId).toMatch(/^req_[\da-f]{32}$/)
      expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/)
    })

    test('sends a file of any kind, streamed or whole, in whatever order', async () => {
      const { transcriptions } = client().audio
      const blob = await openAsBlob(SHORT)
      const files = [
        new File([blob], 'short.wav'),
        await toFile(Buffer.from(await blob.arrayBuffer()), 'x.bin'),
        file(),
      ]
      for (const each of files) {
        expect((await transcriptions.create({ model: 'whisper-1', file: each })).text).toBe(SHORT_TEXT)
        expect(
          (await transcriptions.create({ file: each === files[2] ? file() : each, model: 'whisper-1' })).text,
        ).toBe(SHORT_TEXT)
      }
    })

    test('gets each of the text formats as bare text', async () => {
      const { transcriptions } = client().audio
      const as = (response_format: 'text' | 'srt' | 'vtt'): Promise<string> =>
        transcriptions.create({ file: file(), model: 'whisper-1', response_format })
      expect(await as('text')).toBe(`${SHORT_TEXT}\n`)
      expect(await as('srt')).toMatch(/^1\n00:00:00,\d{3} --> 00:00:02,\d{3}\nThe meeting[^\n]*\n\n$/)
      expect(await as('vtt')).toMatch(/^WEBVTT\n\n00:00:00\.\d{3} --> 00:00:02\.\d{3}\nThe meeting[^\n]*\n\n$/)
    })

    test('gets segments, words, or both, as it asks for them', async () => {
      const verbose = (timestamp_granularities?: ('word' | 'segment')[]) =>
        client().audio.transcriptions.create({
          ...{ file: file(SPANISH), model: 'gpt-4o-transcribe', response_format: 'verbose_json' as const },
          ...(timestamp_granularities === undefined ? {} : { timestamp_granularities }),
        })
      const both = await verbose(['word', 'segment'])
      expect(both).toMatchObject({ task: 'transcribe', language: 'spanish', duration: expect.closeTo(10.51, 1) })
      expect(both.text).toBe(both.text.trim())
      for (const segment of both.segments ?? []) {
        const {
          id,
          seek,
          start,
          end,
          text,
          tokens,
          temperature,
          avg_logprob,
          compression_ratio,
          no_speech_prob,
          ...others
        } = segment
        const numbers = [id, seek, start, end, temperature, avg_logprob, compression_ratio, no_speech_prob, ...tokens]
        expect(numbers.every((number) => Number.isFinite(number))).toBe(true)
        expect(text).toMatch(/^ \S/)
        expect(others).toEqual({})
      }
      expect(
        both.segments
          ?.map(({ text }) => text)
          .join('')
          .trim(),
      ).toBe(both.text)
      expect(both.words?.map(({ word }) => word).slice(0, 3)).toEqual(['Bebo', expect.any(String), 'cada'])
      expect(both.words?.every(({ start, end }) => start <= end && end <= both.duration)).toBe(true)
      const [segments, timed] = [await verbose(), await verbose(['word'])]
      expect([segments.words, timed.segments]).toEqual([undefined, undefined])
      expect([segments.segments?.length, timed.words?.length]).toEqual([both.segments?.length, both.words?.length])
    })

    test('has Spanish translated', async () => {
      const { translations } = client().audio
      const said = await translations.create({
        file: file(SPANISH),
        model: 'whisper-1',
        response_format: 'verbose_json',
      })
      expect(said).toMatchObject({ language: 'english', task: 'translate' })
      expect(said.text).toMatch(/coffee every morning.*euros/)
      expect(await translations.create({ file: file(SPANISH), model: 'whisper-1' })).toMatchObject({ text: said.text })
    })

    test('hears of each window while the next one is transcribed, and then of all', async () => {
      const stream = await client().audio.transcriptions.create({
        file: file(MINUTE),
        model: 'whisper-1',
        stream: true,
      })
      const events = await Array.fromAsync(stream)
      const deltas = events.flatMap((event) => (event.type === 'transcript.text.delta' ? [event.delta] : []))
      const done = events.at(-1)
      expect(deltas.length).toBeGreaterThan(1)
      expect(events.slice(0, -1).every(({ type }) => type === 'transcript.text.delta')).toBe(true)
      expect(done).toEqual({ type: 'transcript.text.done', text: deltas.join('') })
      const whole = await client().audio.transcriptions.create({ file: file(MINUTE), model: 'whisper-1' })
      expect(deltas.join('')).toBe(whole.text)
    })

    test('says the words that are there', async () => {
      const { text } = await client().audio.transcriptions.create({
        ...{ file: file(fixture('de-short.webm')), model: 'sotto/whisper-demo', language: 'de' },
      })
      const golden = words(
        'Vielen Dank, Laura. Ruf Sarah am Samstag an. Ich habe 25 Euro. Vielen Dank, Paul. Vielen Dank, Laura.',
      )
      expect(wordErrors(golden, words(text))).toBeLessThanOrEqual(1)
    })

    test('lists models, and finds one by its id or its alias', async () => {
      const ids: string[] = []
      for await (const model of client().models.list()) {
        expect(model).toMatchObject({ object: 'model', created: expect.any(Number), owned_by: expect.any(String) })
        ids.push(model.id)
      }
      expect(ids).toEqual(expect.arrayContaining(['sotto/whisper-demo', 'whisper-1', 'gpt-4o-transcribe', 'our-model']))
      for (const id of ['sotto/whisper-demo', 'whisper-1', 'our-model']) {
        expect(await client('/openai/v1').models.retrieve(id)).toMatchObject({ id, object: 'model' })
      }
    })

    test('has errors of the classes that it knows, with all that they tell', async () => {
      const failing = (change: object) =>
        client().audio.transcriptions.create({ file: file(), model: 'whisper-1', ...change })
      await expect(failing({ model: 'whisper-7' })).rejects.toMatchObject({
        ...{ status: 404, code: 'model_not_found', param: 'model', type: 'invalid_request_error' },
        requestID: expect.stringMatching(/^req_/),
      })
      await expect(failing({ response_format: 'diarized_json' })).rejects.toBeInstanceOf(OpenAI.BadRequestError)
      await expect(failing({ file: file(fixture('en-short.json')) })).rejects.toMatchObject({
        status: 400,
        code: 'audio.not_media',
        param: 'file',
      })
      await expect(client().models.retrieve('none')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
      const stranger = new OpenAI({ baseURL: `${of().url}/v1`, apiKey: 'wrong' })
      const refused = stranger.audio.transcriptions.create({
        file: await toFile(Buffer.from('x'), 'x.wav'),
        model: 'whisper-1',
      })
      await expect(refused).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' })
      await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    })

    test('is told of a recording that is none by an error, though it wants a stream', async () => {
      const streamed = client().audio.transcriptions.create({
        file: file(fixture('en-short.json')),
        model: 'whisper-1',
        stream: true,
      })
      await expect(streamed).rejects.toBeInstanceOf(OpenAI.BadRequestError)
    })
  })
}
