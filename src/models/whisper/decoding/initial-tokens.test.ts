import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PROJECT } from '../../../../test/support/server.ts'
import { Tokenizer } from '../tokenizer/tokenizer.ts'
import { initialTokensOf, sampleLengthOf } from './initial-tokens.ts'

const tokenizer = await Tokenizer.load(join(PROJECT, 'models/whisper-demo'), { isMultilingual: true })
const { sot, sotPrev, transcribe, translate, noTimestamps } = tokenizer
const CONTEXT = 20
const PLAIN = {
  ...({ language: 'en', task: 'transcribe', withoutTimestamps: false } as const),
  ...{ prompt: [], prefix: [], sampleLength: null },
}
const english = tokenizer.languages.get('en') ?? Number.NaN
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

describe('what the decoder reads first', () => {
  test.each([
    ['asks for the task', {}, [sot, english, transcribe]],
    ['asks for a translation', { task: 'translate' }, [sot, english, translate]],
    ['asks for no timestamps', { withoutTimestamps: true }, [sot, english, transcribe, noTimestamps]],
    ['begins with the text so far', { prompt: [7, 8] }, [sotPrev, 7, 8, sot, english, transcribe]],
    ['ends with the prefix', { prefix: [7, 8] }, [sot, english, transcribe, 7, 8]],
    [
      'has of the text so far as much as fits half the context with its mark',
      { prompt: range(100, 130) },
      [sotPrev, ...range(121, 130), sot, english, transcribe],
    ],
    [
      'has of a long prefix what leaves room for the samples in half the context',
      { prefix: range(100, 130), sampleLength: 6 },
      [sot, english, transcribe, ...range(126, 130)],
    ],
  ] as const)('%s', (_, options, expected) => {
    expect(initialTokensOf(tokenizer, CONTEXT, { ...PLAIN, ...options })).toEqual(expected)
  })

  test('leaves room for one token at least, or is refused', () => {
    const prefix = range(100, 116)
    expect(initialTokensOf(tokenizer, CONTEXT, { ...PLAIN, prefix })).toHaveLength(CONTEXT - 1)
    const longer = { ...PLAIN, prefix: [...prefix, 1] }
    expect(() => initialTokensOf(tokenizer, CONTEXT, longer)).toThrow(
      expect.objectContaining({
        code: 'input.invalid',
        message: 'input.prefix has 17 tokens; with the prompt it may leave no room in the 20 of the model.',
      }),
    )
  })
})

test('half the context is sampled at most, unless another number is said', () => {
  expect(sampleLengthOf(21, { sampleLength: null })).toBe(10)
  expect(sampleLengthOf(21, { sampleLength: 3 })).toBe(3)
})
