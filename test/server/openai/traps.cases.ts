import { execFile, spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../support/clips.ts'
import { SHORT, SHORT_TEXT, SPANISH, formOf, post } from './served.ts'
import type { OpenAiError, Served } from './served.ts'

const run = promisify(execFile)
const hasCurl = spawnSync('curl', ['--version']).status === 0

/** Requests as programs in use send them that have tripped over self-hosted servers: one test each. */
export function describeTraps(of: () => Served): void {
  const json = async (
    fields: readonly (readonly [string, string])[],
    ...file: readonly string[]
  ): Promise<Record<string, unknown>> => {
    const response = await post(of(), await formOf(fields, ...file))
    const body = (await response.json()) as Record<string, unknown>
    expect([response.status, body['error']]).toEqual([200, undefined])
    return body
  }
  const refusal = async (
    fields: readonly (readonly [string, string])[],
    status = 400,
  ): Promise<OpenAiError['error']> => {
    const response = await post(of(), await formOf(fields))
    const { error } = (await response.json()) as OpenAiError
    expect([response.status, Object.keys(error).toSorted()]).toEqual([status, ['code', 'message', 'param', 'type']])
    return error
  }
  const MODEL = ['model', 'whisper-1'] as const

  describe('clients that trip over servers', () => {
    test('Open WebUI: a recording whose name says another format; an error is a message', async () => {
      const fields = [MODEL, ['language', 'de']] as const
      expect(await json(fields, fixture('de-short.webm'), 'audio.mp3')).toMatchObject({
        text: expect.stringContaining('Vielen Dank'),
      })
      expect((await refusal([['model', 'none']], 404)).message).toMatch(/none/)
    })

    test('Home Assistant: a language with its region, an empty prompt, a temperature', async () => {
      expect(await json([MODEL, ['language', 'en-US'], ['prompt', ''], ['temperature', '0.0']])).toMatchObject({
        text: SHORT_TEXT,
      })
    })

    test('wyoming_openai: what it tells other servers by is not here', async () => {
      for (const path of ['/v1/readyz', '/health', '/v1/test', '/v1/health']) {
        const response = await fetch(`${of().url}${path}`, { headers: { authorization: `Bearer ${of().key}` } })
        expect([path, response.status]).toEqual([path, 404])
        expect(await response.text()).not.toBe('OK')
      }
    })

    test('wyoming_openai: the deltas of a stream are complete by themselves', async () => {
      const response = await post(
        of(),
        await formOf([MODEL, ['stream', 'true'], ['response_format', 'json'], ['temperature', '0']]),
      )
      expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
      const lines = (await response.text()).split('\n\n').filter((block) => block.startsWith('data: {'))
      const events = lines.map((line) => JSON.parse(line.slice('data: '.length)) as { type: string; delta?: string })
      expect(events.map(({ delta }) => delta ?? '').join('')).toBe(SHORT_TEXT)
    })

    test('n8n: the constant whisper-1 before a file with a type, and JSON back', async () => {
      const response = await post(of(), await formOf([MODEL]))
      expect(response.headers.get('content-type')).toMatch(/^application\/json/)
      expect(await response.json()).toMatchObject({ text: SHORT_TEXT })
    })

    test('LangChain: a file that is called by its whole path', async () => {
      expect(await json([MODEL], SHORT, '/home/ada/../talks/part 1.mp3')).toMatchObject({ text: SHORT_TEXT })
    })

    test('Subtitle Edit: granularities for a format that has none, and both for one that has', async () => {
      const granularities = [
        ['timestamp_granularities[]', 'segment'],
        ['timestamp_granularities[]', 'word'],
      ] as const
      expect(await json([MODEL, ['response_format', 'json'], ...granularities])).toMatchObject({ text: SHORT_TEXT })
      const verbose = await json([MODEL, ['response_format', 'verbose_json'], ...granularities])
      expect([verbose['segments'], verbose['words']].map((list) => Array.isArray(list))).toEqual([true, true])
    })

    test.each([
      [[['timestamp_granularities', 'word']]],
      [[['timestamp_granularities[0]', 'word']]],
      [[['timestamp_granularities', '["word"]']]],
    ] as [string, string][][][])('Vexa, LiteLLM: granularities as %j', async (spelled) => {
      const verbose = await json([MODEL, ['response_format', 'verbose_json'], ...(spelled ?? [])])
      expect([Array.isArray(verbose['words']), verbose['segments']]).toEqual([true, undefined])
    })

    test('LiteLLM, Speakr: speakers are refused by the field’s name, not left out', async () => {
      const error = await refusal([MODEL, ['response_format', 'diarized_json']])
      expect(error).toMatchObject({
        param: 'response_format',
        code: 'unsupported_value',
        message: expect.stringContaining('speakers'),
      })
    })

    test('Nextcloud: a format that there is not is a 400 that names it', async () => {
      expect(await refusal([MODEL, ['response_format', 'pdf']])).toMatchObject({
        param: 'response_format',
        message: expect.stringContaining('pdf'),
      })
    })

    test.each(['English', 'auto', '', 'null', 'EN_gb', 'en'])(
      'Dify, Witsy, LibreChat: the language %j',
      async (language) => {
        expect(await json([MODEL, ['language', language]])).toMatchObject({ text: SHORT_TEXT })
      },
    )

    test('MediaRecorder, OpenWhispr: WebM without a length, cut off in the air, unnamed', async () => {
      const body = await json([MODEL, ['response_format', 'verbose_json']], fixture('de-short.webm'), 'blob')
      expect(body).toMatchObject({ language: 'german', duration: expect.closeTo(10.97, 0) })
    })

    test('a part without a file’s name is the file all the same', async () => {
      const wav = await readFile(SHORT)
      const body = Buffer.concat([
        Buffer.from('--b\r\nContent-Disposition: form-data; name="file"\r\nContent-Type: audio/wav\r\n\r\n'),
        wav,
        Buffer.from('\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'),
      ])
      const response = await fetch(`${of().url}/v1/audio/transcriptions`, {
        ...{ method: 'POST', body },
        headers: { authorization: `Bearer ${of().key}`, 'content-type': 'multipart/form-data; boundary=b' },
      })
      expect(await response.json()).toMatchObject({ text: SHORT_TEXT })
    })

    test.skipIf(!hasCurl)(
      'curl: its own Content-Type beside the form’s, the file before the model, Expect (skipped without curl)',
      async () => {
        const args = [
          '-sS',
          '-H',
          'Expect: 100-continue',
          '-H',
          `Authorization: Bearer ${of().key}`,
          '-F',
          `file=@${SPANISH}`,
          '-F',
          'model=whisper-1',
        ]
        const { stdout } = await run('curl', [...args, '-F', 'language=es', `${of().url}/v1/audio/transcriptions`])
        expect(JSON.parse(stdout)).toMatchObject({ text: expect.stringContaining('Bebo') })
      },
    )

    test('Groq: an address instead of a file is refused, with where it can go', async () => {
      const form = new FormData()
      form.append('model', 'whisper-1')
      form.append('url', 'https://example.com/a.mp3')
      const response = await post(of(), form)
      expect([response.status, await response.json()]).toEqual([
        400,
        {
          error: {
            message: expect.stringContaining('Async API'),
            type: 'invalid_request_error',
            param: 'file',
            code: null,
          },
        },
      ])
    })

    test('JSON instead of a form is refused by what it should be', async () => {
      const response = await fetch(`${of().url}/v1/audio/transcriptions`, {
        ...{ method: 'POST', body: '{"model": "whisper-1"}' },
        headers: { authorization: `Bearer ${of().key}`, 'content-type': 'application/json' },
      })
      expect([response.status, await response.json()]).toMatchObject([
        400,
        { error: { message: expect.stringContaining('multipart/form-data') } },
      ])
    })
  })
}
