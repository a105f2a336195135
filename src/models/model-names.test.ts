import { expect, test } from 'vitest'
import { createCatalogue } from './catalogue.ts'
import { ModelNames } from './model-names.ts'
import type { ModelNamesOptions } from './model-names.ts'

function namesOf(present: readonly string[], options: Partial<ModelNamesOptions> = {}): ModelNames {
  return new ModelNames(createCatalogue(['acme/whisper-extra']), {
    defaultModel: null,
    aliases: new Map(),
    isPresent: (id) => Promise.resolve(present.includes(id)),
    ...options,
  })
}

const idOf = async (names: ModelNames, name: string): Promise<string | undefined> => (await names.find(name))?.id

test.each([
  'whisper-1',
  'gpt-4o-transcribe',
  'gpt-4o-mini-transcribe',
  'gpt-4o-mini-transcribe-2025-12-15',
  'gpt-transcribe',
])('%s stands for the largest model whose weights are here, or for the one that is set', async (name) => {
  const demo = 'sotto/whisper-demo'
  expect(await idOf(namesOf([demo]), name)).toBe(demo)
  expect(await idOf(namesOf([demo, 'acme/whisper-extra']), name)).toBe('acme/whisper-extra')
  const two = ['openai/whisper-tiny', 'openai/whisper-small']
  expect(await idOf(namesOf([demo, 'acme/whisper-extra', ...two]), name)).toBe('openai/whisper-small')
  expect(await idOf(namesOf([demo, ...two], { defaultModel: 'openai/whisper-base' }), name)).toBe('openai/whisper-base')
})

test.each([
  ['openai/whisper-small', 'openai/whisper-small'],
  ['whisper-large-v3-turbo', 'openai/whisper-large-v3-turbo'],
  ['Systran/faster-whisper-large-v3', 'openai/whisper-large-v3'],
  ['deepdml/faster-whisper-large-v3-turbo-ct2', 'openai/whisper-large-v3-turbo'],
  ['small', 'openai/whisper-small'],
  ['large', 'openai/whisper-large-v3'],
  ['turbo', 'openai/whisper-large-v3-turbo'],
  ['whisper-large', 'openai/whisper-large'],
  ['acme/faster-whisper-small', undefined],
  ['somebody/whisper-small', undefined],
  ['constructor', undefined],
  ['whisper-2', undefined],
  ['gpt-4o-transcribe-diarize', undefined],
  ['', undefined],
])('%s is %s', async (name, id) => expect(await idOf(namesOf([]), name)).toBe(id))

test('aliases come before all other names, and are listed', async () => {
  const names = namesOf(['sotto/whisper-demo'], {
    aliases: new Map([
      ['whisper-1', 'openai/whisper-tiny'],
      ['mine', 'acme/whisper-extra'],
    ]),
  })
  expect(await idOf(names, 'whisper-1')).toBe('openai/whisper-tiny')
  const listed = (await names.listed()).map(({ name, model }) => `${name}=${model.id}`)
  expect(listed.slice(0, 3)).toEqual([
    'whisper-1=openai/whisper-tiny',
    'mine=acme/whisper-extra',
    'gpt-4o-transcribe=sotto/whisper-demo',
  ])
  expect(listed.filter((each) => each.startsWith('whisper-1='))).toHaveLength(1)
})

test('a model that there is not is named, with its setting', () => {
  expect(() => namesOf([], { defaultModel: 'acme/none' })).toThrow(/SOTTO_DEFAULT_MODEL names the model acme\/none/)
  expect(() => namesOf([], { aliases: new Map([['x', 'acme/none']]) })).toThrow(
    /SOTTO_MODEL_ALIASES names the model acme\/none/,
  )
})
