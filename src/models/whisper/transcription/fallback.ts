import { decode } from '../decoding/decode.ts'
import type { DecodingResult } from '../decoding/decode.ts'
import type { DecodingOptions } from '../decoding/decoding-options.ts'
import type { DecodingBudget } from './decoding-budget.ts'
import type { Slot } from '../inference/slot.ts'
import type { WhisperModel } from '../model.ts'
import type { TranscribeOptions } from '../parameters/options.ts'

export interface FallbackControl {
  /** Pays for each decoding. */
  readonly budget: DecodingBudget
  readonly signal?: AbortSignal
}

/**
 * Decodes at one temperature after the other until the window does not fail; the last one's result stands.
 * @throws EngineError `job.over_budget`
 */
export async function decodeWithFallback(
  model: WhisperModel,
  slot: Slot,
  decoding: Omit<DecodingOptions, 'temperature'>,
  options: TranscribeOptions,
  { budget, signal }: FallbackControl,
): Promise<DecodingResult> {
  const [first = 0, ...others] = options.temperatures
  budget.spend()
  let result = await decode(model, slot, { ...decoding, temperature: first }, signal)
  for (const temperature of others) {
    if (!hasFailed(result, options)) break
    budget.spend()
    result = await decode(model, slot, { ...decoding, temperature }, signal)
  }
  return result
}

/** Too repetitive or too improbable, unless it is silence. */
function hasFailed(result: DecodingResult, options: TranscribeOptions): boolean {
  const { compressionRatioThreshold, logprobThreshold, noSpeechThreshold } = options
  const isImprobable = logprobThreshold !== null && result.avgLogprob < logprobThreshold
  if (isImprobable && noSpeechThreshold !== null && result.noSpeechProb > noSpeechThreshold) return false
  return isImprobable || (compressionRatioThreshold !== null && result.compressionRatio > compressionRatioThreshold)
}

/** Whether a window is skipped: a high probability of silence, unless its text is probable all the same. */
export function isSilence(
  result: DecodingResult,
  { noSpeechThreshold, logprobThreshold }: Pick<TranscribeOptions, 'noSpeechThreshold' | 'logprobThreshold'>,
): boolean {
  if (noSpeechThreshold === null || result.noSpeechProb <= noSpeechThreshold) return false
  return logprobThreshold === null || result.avgLogprob <= logprobThreshold
}
