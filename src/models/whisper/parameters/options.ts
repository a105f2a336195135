import type { WhisperInput } from './whisper-parameters.ts'

/** `beam_size` as `beamSize`. */
type CamelCase<Name> = Name extends `${infer First}_${infer Rest}` ? `${First}${Capitalize<CamelCase<Rest>>}` : Name
export type Camelised<Fields> = { readonly [Name in keyof Fields as CamelCase<Name>]: Fields[Name] }

/** The parameters that the engine takes as they are given; parameter-descriptions.ts says what they mean. */
export const AS_GIVEN = [
  'task',
  'language',
  'compression_ratio_threshold',
  'logprob_threshold',
  'no_speech_threshold',
  'condition_on_previous_text',
  'initial_prompt',
  'carry_initial_prompt',
  'prefix',
  'suppress_blank',
  'without_timestamps',
  'max_initial_timestamp',
  'beam_size',
  'patience',
  'best_of',
  'length_penalty',
  'seed',
] as const satisfies readonly (keyof WhisperInput)[]

export const OF_WORDS = [
  'prepend_punctuations',
  'append_punctuations',
  'hallucination_silence_threshold',
] as const satisfies readonly (keyof WhisperInput)[]

/** How a recording is transcribed: what the parameters of a request come to. */
export interface TranscribeOptions extends Camelised<Pick<WhisperInput, (typeof AS_GIVEN)[number]>> {
  /** Null: the one that speaks. */
  readonly audioTrack: number | null
  /** Tried one after the other until a window does not fail; at least one. */
  readonly temperatures: readonly number[]
  readonly suppressTokens: readonly number[]
  readonly sampleLength: WhisperInput['sample_len']
  readonly clipTimestamps: readonly number[]
  /** Null: without the times of words. */
  readonly words: WordOptions | null
}

export type WordOptions = Camelised<Pick<WhisperInput, (typeof OF_WORDS)[number]>>
