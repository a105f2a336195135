import fc from 'fast-check'
import Type from 'typebox'
import { describe, expect, test } from 'vitest'
import { othersThan, valuesOf } from '../../../test/support/parameter-values.ts'
import { InputError } from '../errors.ts'
import { numbersText, orNull, parameter } from './parameter.ts'
import type { ParameterMap } from './parameter.ts'
import { ParameterSet } from './parameter-set.ts'
import { shown } from './shown.ts'

const KINDS = {
  loud: parameter(Type.Boolean(), { default: false, meaning: 'Whether it shouts.' }),
  voice: parameter(Type.Enum(['low', 'high']), { default: 'low', meaning: '`low` or `high`.' }),
  speed: parameter(orNull(Type.Number({ exclusiveMinimum: 0, maximum: 4 })), { default: null, meaning: 'null: 1.' }),
  pause: parameter(Type.Union([Type.Integer({ minimum: 2, maximum: 9 }), Type.Enum(['none'])]), {
    default: 'none',
    meaning: 'Between letters.',
    unit: 'seconds',
  }),
  letters: parameter(
    Type.Union([
      numbersText('\\d{1,3}', 'numbers'),
      Type.Array(Type.Integer({ minimum: 0, maximum: 99 }), { minItems: 1, maxItems: 3 }),
    ]),
    {
      default: '1',
      meaning: 'Which ones.',
    },
  ),
  greeting: parameter(Type.String({ maxLength: 5 }), { default: 'hello', meaning: 'What is said first.' }),
} satisfies ParameterMap
const set = new ParameterSet(KINDS, 'Parameters of a speller.')
const DEFAULTS = { loud: false, voice: 'low', speed: null, pause: 'none', letters: '1', greeting: 'hello' }

describe('what the descriptions say is valid', () => {
  test('is accepted, alone and together, and what is left out has its default', () => {
    const input = fc.record(
      Object.fromEntries(Object.entries(KINDS).map(([name, { takes }]) => [name, valuesOf(takes)])),
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(input, (given) => {
        expect(set.parse(given)).toEqual({ ...DEFAULTS, ...given })
      }),
    )
  })

  test('is read again, also by a version that knows more', () => {
    const { speed: _, ...older } = DEFAULTS
    expect(set.read(older)).toEqual(DEFAULTS)
  })
})

describe('what they say is invalid', () => {
  test.each(Object.entries(KINDS))('is refused, naming the parameter and the value: %s', (name, { takes }) => {
    fc.assert(
      fc.property(othersThan(takes), (value) => {
        const message = expect.stringMatching(new RegExp(`^input\\.${name} must be .*; got `, 's'))
        expect(() => set.parse({ [name]: value })).toThrow(expect.objectContaining({ code: 'input.invalid', message }))
        expect(() => set.parse({ [name]: value })).toThrow(`; got ${shown(value)}.`)
        expect(() => set.read({ ...DEFAULTS, [name]: value })).toThrow(InputError)
      }),
    )
  })

  test('includes all other parameters, of which those that there are are told', () => {
    expect(() => set.parse({ volume: 3 })).toThrow(
      'input.volume is not a parameter of this model; it takes loud, voice, speed, pause, letters, greeting.',
    )
    expect(() => set.parse(JSON.parse('{"__proto__": 1}'))).toThrow(/^input\.__proto__ is not a parameter/)
  })

  test('includes an input that is no object', () => {
    for (const value of [null, undefined, [], 'loud', 3]) {
      expect(() => set.parse(value)).toThrow(`input must be an object of model parameters; got ${shown(value)}.`)
      expect(() => set.read(value)).toThrow('the stored input does not fit this version.')
    }
  })
})

test('those that ask for something else than the defaults are told, in whichever form they are given', () => {
  expect(set.changed(set.parse({}))).toEqual([])
  expect(set.changed(set.parse({ letters: [1], loud: false }))).toEqual([])
  expect(set.changed(set.parse({ letters: ' 1 ' }))).toEqual([])
  expect(set.changed(set.parse({ letters: [1, 2], speed: 2, pause: 3 }))).toEqual(['speed', 'pause', 'letters'])
})

test('is described in plain text for those who list them, and in JSON Schema for the OpenAPI document', () => {
  expect(set.descriptions.map(({ name }) => name)).toEqual(Object.keys(KINDS))
  const of = (wanted: string) => set.descriptions.find(({ name }) => name === wanted)
  expect(of('voice')).toMatchObject({ type: 'string', description: 'low or high.', values: ['low', 'high'] })
  expect(of('speed')).toMatchObject({ type: 'number', isNullable: true, exclusiveMinimum: 0, maximum: 4 })
  expect(of('pause')).toMatchObject({ type: 'integer', minimum: 2, maximum: 9, unit: 'seconds', default: 'none' })
  expect(of('letters')).toMatchObject({ type: 'string', isList: true })
  expect(set.schema).toMatchObject({
    type: 'object',
    description: 'Parameters of a speller.',
    properties: {
      voice: { enum: ['low', 'high'], default: 'low', description: '`low` or `high`.' },
      greeting: { type: 'string', maxLength: 5, default: 'hello' },
    },
  })
  expect(set.schema).not.toHaveProperty('required')
})
