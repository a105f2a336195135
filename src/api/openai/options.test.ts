import { describe, expect, test } from 'vitest'
import { createCatalogue } from '../../models/catalogue.ts'
import { familyOf } from '../../models/index.ts'
import { ModelNames } from '../../models/model-names.ts'
import { FieldError } from './errors.ts'
import { FormFields } from './form-fields.ts'
import { readOptions } from './options.ts'
import type { AskedAnswer, AudioTask } from './options.ts'

const MULTILINGUAL = 'openai/whisper-small'
const context = {
  names: new ModelNames(createCatalogue(['acme/whisper-tiny.en']), {
    defaultModel: MULTILINGUAL,
    aliases: new Map(),
    isPresent: () => Promise.resolve(false),
  }),
  familyOf: (model: Parameters<typeof familyOf>[0]) => familyOf(model, () => Promise.resolve(undefined)),
}

async function read(fields: Readonly<Record<string, string>>, task: AudioTask = 'transcribe'): Promise<AskedAnswer> {
  const entries = Object.entries({ model: 'whisper-1', ...fields })
  return await readOptions(new FormFields(entries), task, context)
}

async function refusalOf(fields: Readonly<Record<string, string>>, task?: AudioTask): Promise<FieldError> {
  const error: unknown = await read(fields, task).catch((thrown: unknown) => thrown)
  if (error instanceof FieldError) return error
  throw new Error('it was taken', { cause: error })
}

test('a model is enough', async () => {
  const { model, format, granularities, isStreamed, input } = await read({})
  expect([model.id, format, [...granularities], isStreamed]).toEqual([MULTILINGUAL, 'json', ['segment'], false])
  expect(input).toMatchObject({
    task: 'transcribe',
    language: null,
    temperature: 0,
    initial_prompt: null,
    word_timestamps: false,
  })
})

describe('the language', () => {
  test.each([
    ['en', 'en'],
    ['en-US', 'en'],
    ['EN_gb', 'en'],
    ['zh-Hant', 'zh'],
    ['zh_CN', 'zh'],
    ['English', 'english', 'en'],
    [' de ', 'de'],
    ['auto', null],
    ['null', null],
    ['', null],
  ] as [string, string | null, string?][])('%s is taken', async (given, named, code) => {
    expect((await read({ language: given })).input['language']).toBe(code ?? named)
  })

  test.each(['klingon', 'xx', 'e', '__proto__', '1'])('%s is refused, by its name', async (language) => {
    expect(await refusalOf({ language })).toMatchObject({ status: 400, param: 'language' })
  })

  test('that the model does not know is refused', async () => {
    const refusal = await refusalOf({ model: 'acme/whisper-tiny.en', language: 'de' })
    expect(refusal).toMatchObject({ status: 400, param: 'language', message: expect.stringContaining('English only') })
  })

  test('one candidate is the language, and several are none', async () => {
    expect((await read({ 'languages[]': 'de' })).input['language']).toBe('de')
    expect((await read({ languages: 'de,en' })).input['language']).toBe(null)
  })
})

test('translations have neither a language nor a stream', async () => {
  const { input, isStreamed } = await read({ language: 'de', stream: 'true' }, 'translate')
  expect([input['task'], input['language'], isStreamed]).toEqual(['translate', null, false])
})

test('words to expect and a prompt come before the first window, and of a long one its end', async () => {
  const { input } = await read({ 'keywords[]': 'Sotto', hotwords: 'Fastify', prompt: 'A talk.' })
  expect(input['initial_prompt']).toBe('Sotto, Fastify. A talk.')
  const long = (await read({ prompt: `${'x'.repeat(20_000)}end` })).input['initial_prompt']
  expect(long).toHaveLength(10_000)
  expect(long).toMatch(/end$/)
})

test('words are timed where they are asked for and shown', async () => {
  const hasWords = async (fields: Readonly<Record<string, string>>): Promise<unknown> =>
    (await read(fields)).input['word_timestamps']
  const words = { 'timestamp_granularities[]': 'word' }
  expect(await hasWords({ ...words, response_format: 'verbose_json' })).toBe(true)
  expect(await hasWords({ ...words, response_format: 'json' })).toBe(false)
  expect(await hasWords({ ...words, response_format: 'verbose_json', stream: 'true' })).toBe(false)
  expect(await hasWords({ response_format: 'verbose_json' })).toBe(false)
})

test('the model’s own parameters are taken by their names, and what nobody knows is passed over', async () => {
  const given = {
    beam_size: '3',
    condition_on_previous_text: 'False',
    seed: '7',
    suppress_tokens: '-1',
    vad_filter: 'true',
    user: 'x',
  }
  const { input } = await read(given)
  expect(input).toMatchObject({ beam_size: 3, condition_on_previous_text: false, seed: 7, suppress_tokens: '-1' })
  expect(input).not.toHaveProperty('vad_filter')
  expect(await refusalOf({ beam_size: '0' })).toMatchObject({
    status: 400,
    message: expect.stringContaining('beam_size'),
  })
})

test.each([
  ['true', true],
  ['True', true],
  ['1', true],
  ['false', false],
  ['null', false],
  ['', false],
])('stream=%s', async (stream, isStreamed) => expect((await read({ stream })).isStreamed).toBe(isStreamed))

test.each([
  ['model', { model: '' }, 400, 'model'],
  ['a model that there is not', { model: 'whisper-7' }, 404, 'model'],
  ['temperature', { temperature: '1.5' }, 400, 'temperature'],
  ['temperature', { temperature: 'warm' }, 400, 'temperature'],
  ['response_format', { response_format: 'lrc' }, 400, 'response_format'],
  ['speakers', { response_format: 'diarized_json' }, 400, 'response_format'],
  ['timestamp_granularities', { 'timestamp_granularities[]': 'phoneme' }, 400, 'timestamp_granularities'],
  ['include', { 'include[]': 'logprobs' }, 400, 'include'],
  ['known_speaker_names', { 'known_speaker_names[]': 'Ada' }, 400, 'known_speaker_names'],
  ['stream', { stream: 'perhaps' }, 400, 'stream'],
] as [string, Record<string, string>, number, string][])(
  '%s is refused with its name',
  async (_, fields, status, param) => {
    expect(await refusalOf(fields)).toMatchObject({ status, param })
  },
)

test.each([
  { chunking_strategy: 'auto' },
  { 'chunking_strategy[type]': 'server_vad', 'chunking_strategy[threshold]': '0.5' },
  { chunking_strategy: 'null' },
])('%j is taken', async (fields) => expect((await read(fields)).format).toBe('json'))
