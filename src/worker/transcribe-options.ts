import type { WhisperInput } from '../models/whisper-input.ts'
import type { TranscribeOptions } from '../whisper/transcribe.ts'

/** The engine's options for a request's parameters. */
export function transcribeOptions(input: WhisperInput): TranscribeOptions {
  return {
    task: input.task,
    language: input.language,
    noSpeechThreshold: input.no_speech_threshold,
    logprobThreshold: input.logprob_threshold,
    conditionOnPreviousText: input.condition_on_previous_text,
    initialPrompt: input.initial_prompt,
    suppressTokens: tokenIds(input.suppress_tokens),
    temperatures: temperatures(input.temperature, input.temperature_increment_on_fallback),
    compressionRatioThreshold: input.compression_ratio_threshold,
    beamSize: input.beam_size,
    patience: input.patience,
    bestOf: input.best_of,
    lengthPenalty: input.length_penalty,
  }
}

function tokenIds(list: string | null): readonly number[] {
  if (list === null || list.trim() === '') return []
  return list.split(',').map(Number)
}

/** As the reference's command line: from the first one up to 1, in steps of the increment. */
function temperatures(first: number, increment: number | null): readonly number[] {
  if (increment === null) return [first]
  const count = Math.floor((1 - first) / increment + 1e-6) + 1
  return Array.from({ length: count }, (_, index) => first + index * increment)
}
