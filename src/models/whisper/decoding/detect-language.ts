import type { Slot } from '../inference/slot.ts'
import type { WhisperModel } from '../model.ts'
import { logSumExp } from './log-softmax.ts'

/**
 * Probabilities of the languages of a slot's window, by their codes, the most probable first: the decoder's answer to `<|startoftranscript|>` alone,
 * among the language tokens. English alone for a model that knows no other.
 */
export async function detectLanguage(
  { tokenizer }: Pick<WhisperModel, 'tokenizer'>,
  slot: Slot,
): Promise<readonly { readonly language: string; readonly probability: number }[]> {
  const { languages, sot } = tokenizer
  if (languages.size === 0) return [{ language: 'en', probability: 1 }]
  slot.restart()
  const { logits } = await slot.read([sot], [0], { wantsLogits: true })
  const ofLanguages = Float32Array.from(languages.values(), (token) => logits[token]!)
  const total = logSumExp(ofLanguages, 0, ofLanguages.length)
  return [...languages.keys()]
    .map((language, index) => ({ language, probability: Math.exp(ofLanguages[index]! - total) }))
    .toSorted((one, other) => other.probability - one.probability)
}
