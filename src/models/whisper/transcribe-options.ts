import { listOf, temperaturesOf } from './parameters.ts'
import type { WhisperInput } from './parameters.ts'
import type { TranscribeOptions } from './options.ts'

/** The engine's options for a request's parameters. */
export function transcribeOptions(input: WhisperInput): TranscribeOptions {
  return {
    task: input.task,
    audioTrack: input.audio_track === 'auto' ? null : input.audio_track,
    language: input.language,
    temperatures: temperaturesOf(input),
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
