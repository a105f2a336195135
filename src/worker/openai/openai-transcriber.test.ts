import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { whisper } from '../../models/whisper/family.ts'
import { fixture } from '../../../test/support/clips.ts'
import { OpenAiServer } from '../../../test/support/openai-server.ts'
import type { Behaviour } from '../../../test/support/openai-server.ts'
import type { Transcript } from '../../contract/transcript.ts'
import { OpenAiTranscriber } from './openai-transcriber.ts'
import type { OpenAiTranscriberOptions } from './openai-transcriber.ts'

const logger = pino({ level: 'silent' })
const TEXT: Behaviour = { body: { text: 'Hello.' } }
const KEY = 'a-key-of-the-other-server'

interface Given {
  readonly input?: Readonly<Record<string, unknown>>
  readonly maxAudioSeconds?: number
  readonly signal?: AbortSignal
  readonly options?: Partial<OpenAiTranscriberOptions>
}

async function transcribe(origin: string, given: Given = {}): Promise<Transcript> {
  const { input = {}, maxAudioSeconds = null, signal = new AbortController().signal, options = {} } = given
  await using transcriber = new OpenAiTranscriber({
    baseUrl: `${origin}/v1`,
    apiKey: KEY,
    model: null,
    familyOf: () => Promise.resolve(whisper),
    timeoutMs: 20_000,
    firstPauseMs: 1,
    ...options,
  })
  const task = {
    model: 'openai/whisper-small',
    audioPath: fixture('en-short.wav'),
    maxAudioSeconds,
    isExpress: false,
  }
  return await transcriber.transcribe({ ...task, parameters: whisper.parameters.read(input) }, { signal, logger })
}

async function answered(behaviour: Behaviour, given: Given = {}): Promise<Transcript> {
  await using server = await OpenAiServer.start(behaviour)
  return await transcribe(server.origin, given)
}

describe('what is asked for', () => {
  test('goes into the fields of OpenAI’s API', async () => {
    await using server = await OpenAiServer.start(TEXT)
    const given = { language: 'de', initial_prompt: 'Sotto,\nAzahara', temperature: 0.4 }
    await transcribe(server.origin, { input: whisper.parameters.read(given) })
    expect(server.requests).toMatchObject([
      {
        path: '/v1/audio/transcriptions',
        headers: { authorization: `Bearer ${KEY}`, 'content-length': expect.stringMatching(/^\d+$/) },
        file: { name: 'audio.wav' },
      },
    ])
    expect(server.requests[0]?.fields).toEqual({
      model: ['openai/whisper-small'],
      response_format: ['verbose_json'],
      temperature: ['0.4'],
      'timestamp_granularities[]': ['segment'],
      language: ['de'],
      prompt: ['Sotto,\r\nAzahara'],
    })
  })

  test('words, a translation, and the server’s own name of the model', async () => {
    const body = { text: 'Hello.', words: [{ word: 'Hello', start: 0, end: 1 }] }
    await using server = await OpenAiServer.start({ body })
    await transcribe(server.origin, {
      input: { task: 'translate', word_timestamps: true },
      options: { model: 'large', apiKey: null },
    })
    expect(server.requests[0]).toMatchObject({
      path: '/v1/audio/translations',
      fields: { model: ['large'], 'timestamp_granularities[]': ['segment', 'word'] },
    })
    expect(server.requests[0]?.headers).not.toHaveProperty('authorization')
  })

  test.each([
    [{ beam_size: 5, patience: 2 }, 'input.beam_size, input.patience'],
    [{ temperature: [0, 0.5] }, 'input.temperature as a list'],
    [{ clip_timestamps: [5, 9] }, 'input.clip_timestamps'],
    [{ condition_on_previous_text: false }, 'input.condition_on_previous_text'],
  ])('%j: refused by name, and nothing is sent', async (input, names) => {
    await using server = await OpenAiServer.start(TEXT)
    await expect(transcribe(server.origin, { input })).rejects.toMatchObject({
      code: 'input.unsupported',
      retryable: false,
      message: expect.stringContaining(`can’t honour ${names}.`),
    })
    expect(server.requests).toEqual([])
  })

  test('defaults that are given explicitly, in whatever form, are none', async () => {
    const input = { beam_size: null, suppress_tokens: [-1], clip_timestamps: [0], no_speech_threshold: 0.6 }
    expect((await answered(TEXT, { input })).text).toBe('Hello.')
  })
})

describe('an answer', () => {
  test('with everything comes through', async () => {
    const numbers = { seek: 0, tokens: [50364, 2425], temperature: 0.2, avg_logprob: -1.5, no_speech_prob: 0.1 }
    const first = { id: 1, start: 0, end: 2, text: ' Hello.', compression_ratio: 0.8, ...numbers }
    const second = { id: 2, start: 2, end: 4.5, text: ' World.', compression_ratio: 3, ...numbers, avg_logprob: -0.2 }
    const body = { task: 'transcribe', text: ' Hello. World.', language: 'english', duration: 4.5 }
    expect(await answered({ body: { ...body, segments: [first, second] } })).toEqual({
      text: ' Hello. World.',
      language: 'en',
      duration: 4.5,
      segments: [
        { ...first, id: 0, quality: ['low-confidence'] },
        { ...second, id: 1, quality: ['repetition'] },
      ],
    })
  })

  test('as vLLM gives it: the duration a string, unknown numbers null', async () => {
    const segment = {
      id: 0,
      seek: 0,
      start: 1.5,
      end: 2,
      text: 'Hello.',
      tokens: [],
      avg_logprob: null,
      no_speech_prob: null,
    }
    const transcription = await answered({
      body: { text: 'Hello.', language: 'en', duration: '3.04', segments: [segment] },
    })
    expect(transcription).toMatchObject({
      duration: 3.04,
      segments: [{ avg_logprob: 0, no_speech_prob: 0, quality: [] }],
    })
    expect(transcription.segments[0]?.compression_ratio).toBeCloseTo(6 / 14)
  })

  test.each([
    ['nothing but text', {}, 0],
    ['text and what it charges', { usage: { type: 'duration', seconds: 3 } }, 3],
  ])('with %s is one segment', async (_, more, seconds) => {
    expect(await answered({ body: { text: 'Hello.', ...more } }, { input: { language: 'en' } })).toMatchObject({
      text: 'Hello.',
      language: 'en',
      duration: seconds,
      segments: [{ id: 0, seek: 0, start: 0, end: seconds, text: 'Hello.', tokens: [], temperature: 0 }],
    })
  })

  test('without text has no segments', async () => {
    expect(await answered({ body: { text: '' } })).toEqual({ text: '', language: 'und', duration: 0, segments: [] })
  })

  test('with words beside the segments: they are put where they are said', async () => {
    const segments = [
      { start: 0, end: 2, text: 'One two' },
      { start: 2, end: 4, text: 'three' },
    ]
    const words = [
      { word: 'One', start: 0.1, end: 0.5 },
      { word: 'two', start: 1.8, end: 2.1 },
      { word: 'three', start: 2.1, end: 3, probability: 0.5 },
    ]
    const input = { word_timestamps: true }
    const { segments: got } = await answered({ body: { text: 'One two three', segments, words } }, { input })
    expect(got.map((segment) => segment.words)).toEqual([
      [
        { ...words[0], probability: 1 },
        { ...words[1], probability: 1 },
      ],
      [words[2]],
    ])
  })

  test('with words within the segments: they stay there, and only if they were asked for', async () => {
    const words = [{ word: ' One', start: 0.1, end: 0.5, probability: 0.9 }]
    const body = { text: ' One', segments: [{ start: 0, end: 2, text: ' One', words }] }
    expect((await answered({ body }, { input: { word_timestamps: true } })).segments[0]?.words).toEqual(words)
    expect((await answered({ body })).segments[0]).not.toHaveProperty('words')
  })

  test('without the words that were asked for is refused', async () => {
    const body = { text: 'One', segments: [{ start: 0, end: 2, text: 'One' }] }
    await expect(answered({ body }, { input: { word_timestamps: true } })).rejects.toMatchObject({
      code: 'input.unsupported',
      message: expect.stringContaining('input.word_timestamps'),
    })
  })

  test('of a recording that is as long as allowed, but for its padding, is taken', async () => {
    const body = { text: 'Hello.', duration: 60.5 }
    expect(await answered({ body }, { maxAudioSeconds: 60 })).toMatchObject({ duration: 60.5 })
    const longer = { text: 'Hello.', duration: 60.51 }
    await expect(answered({ body: longer }, { maxAudioSeconds: 60 })).rejects.toMatchObject({ code: 'audio.too_long' })
  })

  test('of a recording that is longer than allowed is refused', async () => {
    const body = { text: 'Hello.', duration: 61 }
    await expect(answered({ body }, { maxAudioSeconds: 60 })).rejects.toMatchObject({ code: 'audio.too_long' })
  })

  test.each<[string, string | object]>([
    ['no JSON', '<html>Private words</html>'],
    ['another JSON', { transcript: 'Private words' }],
    ['a list', '[]'],
    ['a segment without a time', { text: 'Private words', segments: [{ text: 'Private words' }] }],
    [
      'a time that is infinite',
      '{"text": "Private words", "segments": [{"start": 0, "end": 1e999, "text": "Private words"}]}',
    ],
    ['more than 64 MB', `{"text": "Private words${'x'.repeat(65 * 2 ** 20)}"}`],
  ])('that is %s can’t be understood, and the error quotes nothing of it', async (_, body) => {
    const error = await answered({ body }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'engine.bad_answer', retryable: false })
    expect(String(error) + String((error as Error).cause)).not.toContain('Private')
  })
})

describe('what passes is tried again', () => {
  test.each<[string, Behaviour]>([
    ['408', { status: 408, body: {} }],
    ['429', { status: 429, body: {} }],
    ['502', { status: 502, body: '<html>Bad Gateway</html>' }],
    ['503', { status: 503, body: {} }],
    ['504', { status: 504, body: {} }],
    ['a connection that breaks off', 'cut'],
    ['one that breaks off within the answer', 'cut-within'],
  ])('%s', async (_, behaviour) => {
    await using server = await OpenAiServer.start(behaviour, behaviour, TEXT)
    expect((await transcribe(server.origin)).text).toBe('Hello.')
    const [first, second, third] = server.requests.map(({ file }) => file)
    expect(first?.bytes).toBeGreaterThan(1000)
    expect([second, third]).toEqual([first, first])
  })

  test('Retry-After is followed', async () => {
    await using server = await OpenAiServer.start({ status: 429, headers: { 'retry-after': '1' }, body: {} }, TEXT)
    const startedMs = performance.now()
    await transcribe(server.origin)
    expect(performance.now() - startedMs).toBeGreaterThan(950)
  })

  test('but not for ever: then it is the job’s to try again', async () => {
    await using server = await OpenAiServer.start({ status: 503, body: { error: { message: 'Loading the model' } } })
    await expect(transcribe(server.origin)).rejects.toMatchObject({
      code: 'engine.unavailable',
      retryable: true,
      message: 'The transcription server answered 503: Loading the model',
    })
    expect(server.requests).toHaveLength(6)
  })

  test('a server that is not there', async () => {
    const server = await OpenAiServer.start(TEXT)
    const { origin } = server
    await server[Symbol.asyncDispose]()
    const error: unknown = await transcribe(origin).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'engine.unreachable', retryable: true, cause: { code: 'ECONNREFUSED' } })
    expect((error as Error).message).not.toContain('127.0.0.1')
  })
})

describe('what does not pass is not', () => {
  test.each<[Behaviour, string, boolean, string]>([
    [{ status: 400, body: { error: { message: 'No such\n model' } } }, 'engine.refused', false, '400: No such model'],
    [{ status: 400, body: { error: 'Bad audio' } }, 'engine.refused', false, '400: Bad audio'],
    [{ status: 404, body: { detail: 'Not Found' } }, 'engine.refused', false, '404: Not Found'],
    [{ status: 413, body: '<html>Too large</html>' }, 'engine.refused', false, '413'],
    [{ status: 422, body: { detail: [{ msg: 'Field required' }] } }, 'engine.refused', false, '422: Field required'],
    [{ status: 400, body: { error: `Not ${KEY}!` } }, 'engine.refused', false, '400: Not …!'],
    [
      { status: 401, body: { error: `Wrong: ${KEY}` } },
      'engine.forbidden',
      false,
      '401: it does not take the key in SOTTO_ENGINE_API_KEY.',
    ],
    [{ status: 500, body: { message: 'Out of memory' } }, 'engine.failed', true, '500: Out of memory'],
  ])('%j', async (behaviour, code, retryable, said) => {
    await using server = await OpenAiServer.start(behaviour)
    const message = `The transcription server answered ${said}`
    await expect(transcribe(server.origin)).rejects.toMatchObject({ code, retryable, message })
    expect(server.requests).toHaveLength(1)
  })

  test('a long message is cut', async () => {
    const error: unknown = await answered({ status: 400, body: { message: 'x'.repeat(10_000) } }).catch(
      (thrown: unknown) => thrown,
    )
    expect((error as Error).message.length).toBeLessThan(400)
  })

  test('a redirect: the recording goes nowhere else', async () => {
    await using other = await OpenAiServer.start(TEXT)
    const location = `${other.origin}/v1/audio/transcriptions`
    await expect(answered({ status: 307, headers: { location }, body: '' })).rejects.toMatchObject({
      code: 'engine.refused',
      message: expect.stringContaining('redirects are not followed'),
    })
    expect(other.requests).toEqual([])
  })

  test('a server that takes longer than it may', async () => {
    await using server = await OpenAiServer.start('hang')
    await expect(transcribe(server.origin, { options: { timeoutMs: 300 } })).rejects.toMatchObject({
      code: 'engine.timeout',
      retryable: true,
      message: 'The transcription server has not answered within 0.3 s.',
    })
    expect(server.requests).toHaveLength(1)
    await expect.poll(() => server.abandoned).toBe(1)
  })
})

describe('an abort', () => {
  test('closes the connection, and its reason is thrown', async () => {
    await using server = await OpenAiServer.start('hang')
    const abort = new AbortController()
    const running = transcribe(server.origin, { signal: abort.signal })
    await expect.poll(() => server.requests.length).toBe(1)
    const reason = new Error('cancelled')
    abort.abort(reason)
    await expect(running).rejects.toBe(reason)
    await expect.poll(() => server.abandoned).toBe(1)
  })

  test('that came before asks nothing of anybody', async () => {
    await using server = await OpenAiServer.start(TEXT)
    const reason = new Error('cancelled')
    await expect(transcribe(server.origin, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(server.requests).toEqual([])
  })

  test('ends the pause before another try', async () => {
    await using server = await OpenAiServer.start({ status: 503, headers: { 'retry-after': '60' }, body: {} })
    const abort = new AbortController()
    const running = transcribe(server.origin, { signal: abort.signal })
    await expect.poll(() => server.requests.length).toBe(1)
    const reason = new Error('cancelled')
    abort.abort(reason)
    await expect(running).rejects.toBe(reason)
  })
})

describe('check', () => {
  const check = async (origin: string): Promise<void> => {
    await using transcriber = new OpenAiTranscriber({
      baseUrl: `${origin}/v1`,
      apiKey: null,
      model: null,
      familyOf: () => Promise.resolve(whisper),
      timeoutMs: 1000,
    })
    await transcriber.check(new AbortController().signal)
  }

  test.each([200, 401, 404])('a server that answers %d is there', async (status) => {
    await using server = await OpenAiServer.start(TEXT)
    server.modelsStatus = status
    await expect(check(server.origin)).resolves.toBeUndefined()
  })

  test('one that answers 500, or nothing, is not', async () => {
    await using server = await OpenAiServer.start(TEXT)
    server.modelsStatus = 500
    await expect(check(server.origin)).rejects.toMatchObject({ code: 'engine.unavailable' })
    const { origin } = server
    await server[Symbol.asyncDispose]()
    await expect(check(origin)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})
