import { WINDOW_FRAMES } from '../../../speech/audio/features.ts'
import type { Clip } from './clips.ts'
import { EngineError } from '../../../speech/errors.ts'

/**
 * Decodings for each 30 s of audio that are begun, and for a recording. A plain transcription takes one or two; clips of two seconds, as
 * a detector of speech cuts them, take 15; noise that fails at each of the reference's six temperatures, in windows that go on by 10 s,
 * takes 18.
 */
const DECODINGS_PER_WINDOW = 40
const DECODINGS_PER_RECORDING = 40

/**
 * How often windows of a recording may be decoded, at whatever temperature: what it costs is bounded by its length, whatever its
 * parameters ask for. Clips may name the same stretch again and again, windows may go on by a hundredth of a second when tokens are
 * suppressed, and each of them may fall back to the next temperature.
 */
export class DecodingBudget {
  readonly #most: number
  #left: number

  constructor(contentFrames: number) {
    this.#most = DECODINGS_PER_RECORDING + DECODINGS_PER_WINDOW * Math.ceil(contentFrames / WINDOW_FRAMES)
    this.#left = this.#most
  }

  /** @throws EngineError `job.over_budget` when these clips alone take more than there is */
  requireRoomFor(clips: readonly Clip[]): void {
    const least = clips.reduce((sum, { start, end }) => sum + Math.max(0, Math.ceil((end - start) / WINDOW_FRAMES)), 0)
    if (least > this.#left) throw this.#exceeded(`input.clip_timestamps makes ${least} windows`)
  }

  /** @throws EngineError `job.over_budget` when nothing is left for one more decoding */
  spend(): void {
    if (this.#left === 0) throw this.#exceeded('its clips, temperatures or suppressed tokens take more')
    this.#left -= 1
  }

  #exceeded(reason: string): EngineError {
    const message =
      `The windows of this recording may be decoded ${this.#most} times altogether (${DECODINGS_PER_WINDOW} times for each 30 s, and ` +
      `${DECODINGS_PER_RECORDING} times more), and ${reason}. Ask for fewer clips, or for fewer temperatures.`
    return new EngineError('job.over_budget', message)
  }
}
