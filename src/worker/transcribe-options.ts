import { listOf } from '../models/whisper-input.ts'
import type { WhisperInput } from '../models/whisper-input.ts'
import type { TranscribeOptions } from '../whisper/options.ts'

/** The engine's options for a request's parameters. */
export function transcribeOptions(input: WhisperInput): TranscribeOptions {
  return {
    task: input.task,
    audioTrack: input.audio_track === 'auto' ? null : input.audio_track,
    language: input.language,
    temperatures: temperatures(input.temperature, input.temperature_increment_on_fallback),
    compressionRatioThreshold: input.compression_ratio_threshold,
    logprobThreshold: input.logprob_threshold,
    noSpeechThreshold: input.no_speech_threshold,
    conditionOnPreviousText: input.condition_on_previous_text,
    initialPrompt: input.initial_prompt,
    carryInitialPrompt: input.carry_initial_prompt,
    prefix: input.prefix,
    suppressTokens: listOf(input.suppress_tokens),
    suppressBlank: input.suppress_blank,
    withoutTimestamps: input.without_timestamps,
    maxInitialTimestamp: input.max_initial_timestamp,
    sampleLength: input.sample_len,
    beamSize: input.beam_size,
    patience: input.patience,
    bestOf: input.best_of,
    lengthPenalty: input.length_penalty,
    seed: input.seed,
    clipTimestamps: listOf(input.clip_timestamps),
    words: input.word_timestamps
      ? {
          prependPunctuations: input.prepend_punctuations,
          appendPunctuations: input.append_punctuations,
          hallucinationSilenceThreshold: input.hallucination_silence_threshold,
        }
      : null,
  }
}

/** A list as it is; else, as in the reference's command line, from the first one up to 1 in steps of the increment. */
function temperatures(first: WhisperInput['temperature'], increment: number | null): readonly number[] {
  if (typeof first !== 'number') return first
  if (increment === null) return [first]
  const count = Math.ceil((1 + 1e-6 - first) / increment)
  return Array.from({ length: count }, (_, index) => first + index * increment)
}
