import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { othersThan, valuesOf } from '../../../../test/support/parameter-values.ts'
import { createCatalogue } from '../../catalogue.ts'
import { shown } from '../../parameters/shown.ts'
import { WHISPER_PARAMETERS } from './parameter-descriptions.ts'
import { parseWhisperInput, readWhisperInput, whisperParameters } from './whisper-parameters.ts'

const catalogue = createCatalogue(['acme/whisper-base.en', 'acme/speech'])
const large = catalogue.find('openai/whisper-large')!
const unknown = catalogue.find('acme/speech')!
const english = catalogue.find('acme/whisper-base.en')!

const DEFAULTS = {
  task: 'transcribe',
  language: null,
  temperature: 0,
  temperature_increment_on_fallback: 0.2,
  compression_ratio_threshold: 2.4,
  logprob_threshold: -1,
  no_speech_threshold: 0.6,
  condition_on_previous_text: true,
  initial_prompt: null,
  carry_initial_prompt: false,
  prefix: null,
  suppress_tokens: '-1',
  suppress_blank: true,
  without_timestamps: false,
  max_initial_timestamp: 1,
  sample_len: null,
  beam_size: null,
  patience: null,
  best_of: null,
  length_penalty: null,
  seed: 0,
  clip_timestamps: '0',
  audio_track: 'auto',
  word_timestamps: false,
  prepend_punctuations: '"\'“¿([{-',
  append_punctuations: '"\'.。,，!！?？:：”)]}、',
  hallucination_silence_threshold: null,
}

test('without parameters the reference’s defaults hold', () => {
  expect(parseWhisperInput({}, large)).toEqual(DEFAULTS)
})

test('the retired service’s sample client is understood', () => {
  const sample = { ...DEFAULTS, language: 'en', patience: 1, beam_size: 5, best_of: 5 }
  expect(parseWhisperInput(sample, large)).toEqual(sample)
})

describe('takes the language', () => {
  test.each([
    [null, ['auto', 'AUTO', '', '  ', ' auto ']],
    ['en', ['en', 'EN', 'English', ' en ', 'en-US', 'EN_gb', 'en-Latn-US', 'eng', 'ENGLISH\n']],
    ['es', ['es-419', 'Castilian', 'spa', 'spanish']],
    ['zh', ['zh-CN', 'zh_Hant_TW', 'mandarin', 'cmn-Hans-CN', 'chinese']],
    ['lo', ['lao', 'lo-LA']],
    ['he', ['iw', 'he-IL', 'hebrew']],
    ['jw', ['jv', 'jv-ID', 'javanese']],
    ['no', ['nb', 'nb-NO', 'no']],
    ['tl', ['fil', 'fil-PH', 'Tagalog']],
    ['ht', ['Haitian Creole', 'haitian']],
    ['haw', ['haw-US']],
  ])('%s as %j', (code, forms) => {
    for (const language of forms) expect(parseWhisperInput({ language }, large).language).toBe(code)
  })

  test('for an English-only model too', () => {
    for (const language of ['auto', '', 'en-GB', 'English']) {
      expect([null, 'en']).toContain(parseWhisperInput({ language }, english).language)
    }
    expect(() => parseWhisperInput({ language: 'de-CH' }, english)).toThrow('got language "de" (from "de-CH")')
  })

  test.each([
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'xx-YY',
    'tlh',
    'english!',
    'en-',
    'en US',
    'e',
  ])('but not as %j, whatever a model is known to know', (language) => {
    for (const model of [large, unknown]) {
      expect(() => parseWhisperInput({ language }, model)).toThrow(/^input\.language must be /)
    }
  })

  test('a language that the model does not know is refused by its code', () => {
    const demo = catalogue.find('sotto/whisper-demo')!
    expect(() => parseWhisperInput({ language: 'zh-CN' }, demo)).toThrow(
      'does not know the language "zh" (from "zh-CN"); it knows en, es, de',
    )
  })
})

test.each([
  [{ temperature: [0, 0.5, 1] }],
  [{ temperature: 0.4, patience: 2 }],
  [{ suppress_tokens: [-1, 11] }],
  [{ suppress_tokens: '' }],
  [{ suppress_tokens: ' 1 , -1 ' }],
  [{ clip_timestamps: [] }],
  [{ audio_track: 0 }],
  [{ audio_track: 'auto' }],
  [{ clip_timestamps: '10,45.5,100' }],
  [{ word_timestamps: true, hallucination_silence_threshold: 2 }],
  [{ beam_size: 5, best_of: 5, patience: 2 }],
  [{ beam_size: 20, best_of: 20 }],
  [{ temperature_increment_on_fallback: 0.05 }],
  [{ temperature: 0.9, temperature_increment_on_fallback: 0.01 }],
  [{ temperature_increment_on_fallback: null, best_of: 20 }],
])('takes %j', (input) => {
  expect(parseWhisperInput(input, large)).toEqual({ ...DEFAULTS, ...input })
})

test('an input that was stored before a parameter was known gets its default', () => {
  const { seed: _, ...older } = DEFAULTS
  expect(readWhisperInput(older)).toEqual(DEFAULTS)
})

/** Rules of several parameters, and of what is a language, are not in the descriptions; they have tests of their own. */
const HAS_RULES = new Set(['language', 'clip_timestamps', 'temperature_increment_on_fallback'])
const NEEDS: Readonly<Record<string, object>> = {
  patience: { beam_size: 2 },
  hallucination_silence_threshold: { word_timestamps: true },
}

test.each(Object.entries(WHISPER_PARAMETERS).filter(([name]) => !HAS_RULES.has(name)))(
  'what the description of %s says is valid is accepted of a request',
  (name, { takes }) => {
    fc.assert(
      fc.property(valuesOf(takes), (value) => {
        expect(parseWhisperInput({ ...NEEDS[name], [name]: value }, large)).toMatchObject({ [name]: value })
      }),
    )
  },
)

describe.each(Object.entries(WHISPER_PARAMETERS))('the description of %s holds:', (name, { takes }) => {
  test('what it says is valid is accepted', () => {
    fc.assert(
      fc.property(valuesOf(takes), (value) => {
        expect(readWhisperInput({ [name]: value })).toEqual({ ...DEFAULTS, [name]: value })
      }),
    )
  })

  test('what it says is invalid is refused, by the parameter’s name and with the value', () => {
    fc.assert(
      fc.property(othersThan(takes), (value) => {
        const refused = expect.objectContaining({
          code: 'input.invalid',
          message: expect.stringMatching(new RegExp(`^input\\.${name} must be `)),
        })
        expect(() => parseWhisperInput({ [name]: value }, large)).toThrow(refused)
        expect(() => parseWhisperInput({ [name]: value }, large)).toThrow(`; got ${shown(value)}.`)
      }),
    )
  })
})

describe('refuses, naming the field, what it got and what it takes', () => {
  test.each([
    [{ beam_size: 'five' }, 'input.beam_size must be an integer from 1 to 20, or null; got "five".'],
    [{ beam_size: 2.5 }, 'input.beam_size must be an integer from 1 to 20, or null; got 2.5.'],
    [{ temperature: -1 }, 'input.temperature must be a number from 0 to 1, or a list of numbers from 0 to 1; got -1.'],
    [
      { temperature: null },
      'input.temperature must be a number from 0 to 1, or a list of numbers from 0 to 1; got null.',
    ],
    [
      { temperature: [0, 2] },
      'input.temperature must be a number from 0 to 1, or a list of numbers from 0 to 1; got [0,2].',
    ],
    [{ temperature: [] }, 'got [].'],
    [{ temperature_increment_on_fallback: 1e-9 }, 'from 0.01 to 1, or null; got 1e-9.'],
    [{ temperature_increment_on_fallback: 0.01 }, 'may make 21 temperatures at most; got 0.01, which makes 101.'],
    [{ temperature_increment_on_fallback: 0.05, best_of: 20 }, 'may make 128 samples of a window at most'],
    [{ temperature: Array(20).fill(1), best_of: 7 }, 'over all its temperatures; got 140.'],
    [{ temperature: Array(20).fill(0), beam_size: 7 }, 'over all its temperatures; got 140.'],
    [{ task: 'summarise' }, 'input.task must be "transcribe" or "translate"; got "summarise".'],
    [{ length_penalty: 1.5 }, 'input.length_penalty must be a number from 0 to 1, or null; got 1.5.'],
    [{ no_speech_threshold: 2 }, 'input.no_speech_threshold must be a number from 0 to 1, or null; got 2.'],
    [{ condition_on_previous_text: 'yes' }, 'input.condition_on_previous_text must be true or false; got "yes".'],
    [{ language: 'klingon' }, 'got "klingon"'],
    [
      { suppress_tokens: 'a,b' },
      'a string of token ids separated by commas, such as "-1", or a list of integers from -1',
    ],
    [{ suppress_tokens: '-2' }, 'got "-2"'],
    [{ suppress_tokens: '1,' }, 'got "1,"'],
    [{ patience: 1 }, 'input.patience needs input.beam_size'],
    [{ patience: 1, temperature: [0.5, 0] }, 'input.patience needs input.beam_size'],
    [{ sample_len: 0 }, 'input.sample_len must be an integer from 1 to 448, or null; got 0.'],
    [{ audio_track: -1 }, 'input.audio_track must be an integer from 0 to 999, or "auto"; got -1.'],
    [{ audio_track: 'first' }, 'got "first"'],
    [{ seed: -1 }, 'input.seed must be an integer from 0 to 4294967295; got -1.'],
    [
      { clip_timestamps: '1,-2' },
      'a string of seconds separated by commas, such as "10,45.5", or a list of numbers from 0',
    ],
    [
      { clip_timestamps: [10, 20, 30, 25] },
      'input.clip_timestamps must give each end after its start; got the end 25 for 30',
    ],
    [{ clip_timestamps: '5,5' }, 'got the end 5 for 5'],
    [{ hallucination_silence_threshold: 2 }, 'needs input.word_timestamps to be true; got 2 and word_timestamps false'],
    [{ word_timestamps: 'yes' }, 'input.word_timestamps must be true or false; got "yes".'],
    [{ vad: true }, 'input.vad is not a parameter of this model; it takes task, language'],
    [[], 'input must be an object of model parameters; got [].'],
    ['en', 'input must be an object of model parameters; got "en".'],
    [{ initial_prompt: 'x'.repeat(10_001) }, 'at most 10000 characters'],
  ])('%j', (input, message) => {
    expect(() => parseWhisperInput(input, large)).toThrow(message)
    expect(() => parseWhisperInput(input, large)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })

  test('a value of any length is shown by its beginning', () => {
    expect(() => parseWhisperInput({ language: 'x'.repeat(5000) }, large)).toThrow(/^.{50,300}$/s)
  })

  test('other languages and translation for a model that knows English only', () => {
    expect(parseWhisperInput({ language: 'en' }, english).language).toBe('en')
    expect(() => parseWhisperInput({ language: 'de' }, english)).toThrow('knows English only; got language "de"')
    expect(() => parseWhisperInput({ task: 'translate' }, english)).toThrow('knows English only; got task "translate"')
  })
})

test('describes each parameter with its default and range', () => {
  const parameters = whisperParameters.descriptions
  expect(Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.default]))).toEqual(DEFAULTS)
  expect(parameters.find(({ name }) => name === 'beam_size')).toMatchObject({
    type: 'integer',
    isNullable: true,
    minimum: 1,
    maximum: 20,
  })
  expect(parameters.find(({ name }) => name === 'temperature')).toMatchObject({ type: 'number', isList: true })
  expect(parameters.find(({ name }) => name === 'clip_timestamps')).toMatchObject({ type: 'string', isList: true })
  expect(parameters.find(({ name }) => name === 'task')?.values).toEqual(['transcribe', 'translate'])
})
