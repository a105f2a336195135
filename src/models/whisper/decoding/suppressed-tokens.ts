import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/**
 * The tokens that a list suppresses: −1 stands for the non-speech symbols, and any list brings those along that steer the
 * decoder. Undefined for an empty list, which switches the filter off.
 */
export function suppressedTokens(tokenizer: Tokenizer, list: readonly number[]): readonly number[] | undefined {
  if (list.length === 0) return undefined
  const { transcribe, translate, sot, sotPrev, sotLm, noSpeech, nonSpeechTokens } = tokenizer
  const listed = list.includes(-1) ? [...list.filter((token) => token >= 0), ...nonSpeechTokens] : list
  return [...new Set([...listed, transcribe, translate, sot, sotPrev, sotLm, noSpeech])]
}
