import type { TranscribeOptions } from '../parameters/options.ts'

type Decoded =
  | 'task'
  | 'suppressTokens'
  | 'suppressBlank'
  | 'withoutTimestamps'
  | 'maxInitialTimestamp'
  | 'sampleLength'
  | 'beamSize'
  | 'patience'
  | 'bestOf'
  | 'lengthPenalty'
  | 'seed'

/** How one window is decoded; names and meaning are the reference's (`DecodingOptions`). */
export interface DecodingOptions extends Pick<TranscribeOptions, Decoded> {
  /** Code of a language that the model knows. */
  readonly language: string
  /** Token ids of the text so far. */
  readonly prompt: readonly number[]
  /** Token ids that the transcript goes on from; they are not part of it. */
  readonly prefix: readonly number[]
  readonly temperature: number
  /** Where the window begins, in frames: with `seed` it decides on the samples, so that no two windows draw the same numbers. */
  readonly seek: number
}
