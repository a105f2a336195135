import type { Frame } from 'node-av/lib'
import { EngineError } from '../errors.ts'
import { Conversion } from './conversion.ts'
import { SAMPLE_RATE } from './log-mel.ts'
import { withoutScraps } from './scraps.ts'
import { TrackClock } from './track-clock.ts'
import type { Loss, TrackItem, TrackSummary } from './track-reader.ts'
import type { AudioWarnings } from './warnings.ts'

/** Silence is given out in pieces of a second. */
const SILENCE = new Int16Array(SAMPLE_RATE)
/** Pauses that are told of, but where the sound begins later than the picture; pauses of speech that a recorder leaves out are shorter. */
const TOLD_GAP_SECONDS = 1
/** Losses that are told of: a decoder's first packets, or a tag between, are none. */
const TOLD_LOSS_SECONDS = 0.1
/** Of a file, behind a read error at its end: some formats end by an error, or with an index. */
const TOLD_UNREAD_SHARE = 0.02
/** More than tags of any kind take that are not known as such: a second of most sound. */
const TOLD_UNREAD_BYTES = 16 * 2 ** 10
const NO_LOSS: Loss = { readErrors: 0, seconds: 0 }
const NOTHING = new Int16Array(0)

/** Turns what a track holds into 16 kHz mono, each sound at its place in time. */
export class TrackDecoder implements Disposable {
  readonly #clock: TrackClock
  readonly #channel: number | null
  readonly #warnings: AudioWarnings
  readonly #begin: number
  #conversion: Conversion | undefined
  /** Samples that were given out. */
  #samples: number
  /** Seconds so far, those included that the conversion still holds. */
  #position: number
  #summary: TrackSummary | undefined

  /**
   * @param options.samples what was given out before, of another part of the file
   * @param options.channel the only one to hear; null: all
   */
  constructor(options: {
    readonly zero: number | undefined
    readonly samples: number
    readonly channel: number | null
    readonly warnings: AudioWarnings
  }) {
    this.#clock = new TrackClock(options.zero)
    this.#channel = options.channel
    this.#warnings = options.warnings
    this.#begin = options.samples
    this.#samples = options.samples
    this.#position = options.samples / SAMPLE_RATE
  }

  /** Samples that were given out, those before this track included. */
  get samples(): number {
    return this.#samples
  }

  get isSilent(): boolean {
    return this.#samples === this.#begin
  }

  /** Of the whole track, when it has been read. */
  get summary(): TrackSummary | undefined {
    return this.#summary
  }

  /** Chunks of samples, of which an empty one is a sign of life. */
  *decode(items: Generator<TrackItem>): Generator<Int16Array> {
    for (const item of withoutScraps(items)) {
      switch (item.type) {
        case 'frame':
          yield* this.#counted(this.#frame(item))
          break
        case 'pause':
          yield* this.#counted(this.#pause(item))
          break
        case 'sign':
          yield NOTHING
          break
        case 'end':
          yield* this.#counted(this.#flush())
          this.#summary = item.summary
      }
    }
  }

  [Symbol.dispose](): void {
    this.#conversion?.[Symbol.dispose]()
  }

  *#counted(chunks: Generator<Int16Array>): Generator<Int16Array> {
    for (const chunk of chunks) {
      this.#samples += chunk.length
      yield chunk
    }
  }

  *#frame({ frame, at, lostBefore }: TrackItem & { type: 'frame' }): Generator<Int16Array> {
    const duration = frame.nbSamples / frame.sampleRate
    const start = this.#position
    const { silenceSeconds, ignoredSeconds } = this.#clock.place(at, duration, start)
    this.#tell(start, silenceSeconds, ignoredSeconds, lostBefore)
    yield* this.#silence(silenceSeconds)
    if (this.#conversion?.fits(frame) === false) yield* this.#flush()
    yield* this.#converted(frame, duration)
  }

  *#converted(frame: Frame, duration: number): Generator<Int16Array> {
    try {
      this.#conversion ??= new Conversion(frame, this.#channel)
      yield* this.#conversion.push(frame)
      this.#position += duration
    } catch (error) {
      // Behind sound that was fine, what can't be converted is damage.
      if (!(error instanceof EngineError) || this.isSilent) throw error
      this.#conversion?.[Symbol.dispose]()
      this.#conversion = undefined
      // How long it says that it is, is not to be trusted either.
      this.#tellDamage(this.#position, this.#position, { readErrors: 0, seconds: 0 })
    }
  }

  *#pause({ at, until }: TrackItem & { type: 'pause' }): Generator<Int16Array> {
    const { silenceSeconds } = this.#clock.place(at, until - at, this.#position)
    yield* this.#silence(silenceSeconds + until - at)
  }

  *#silence(seconds: number): Generator<Int16Array> {
    if (seconds <= 0) return
    yield* this.#flush()
    const end = this.#position + seconds
    for (let left = Math.round(end * SAMPLE_RATE) - this.#samples; left > 0; left -= SILENCE.length) {
      yield SILENCE.subarray(0, left)
    }
    this.#position = end
  }

  *#flush(): Generator<Int16Array> {
    if (this.#conversion === undefined) return
    using conversion = this.#conversion
    this.#conversion = undefined
    yield* conversion.finish()
  }

  #tell(start: number, silenceSeconds: number, ignoredSeconds: number, loss: Loss | undefined): void {
    const end = start + silenceSeconds
    if (loss !== undefined && (loss.readErrors > 0 || Math.max(silenceSeconds, loss.seconds) > TOLD_LOSS_SECONDS)) {
      this.#tellDamage(start, end, loss)
    } else if (ignoredSeconds > 0) {
      const message = `The recording’s clock jumps by ${Math.round(ignoredSeconds)} s here, which was not followed.`
      this.#warnings.add({ code: 'audio.gap', message, start, end })
    } else if (silenceSeconds > TOLD_GAP_SECONDS && start > 0) {
      const message = `The recording has nothing for ${silenceSeconds.toFixed(1)} s here, by its clock; they count as silence.`
      this.#warnings.add({ code: 'audio.gap', message, start, end })
    }
  }

  /**
   * Tells what is lost at the end, behind the last sound.
   * @param isAllSound whether there should be nothing but sound, so that what was not read is damage, though no error tells of it
   */
  tellEnd(fileBytes: number, isAllSound: boolean): void {
    const { lostAtEnd = NO_LOSS, gaveUp = false, lastPacketAt = 0 } = this.#summary ?? {}
    const unreadBytes = fileBytes - lastPacketAt
    const isTold = lostAtEnd.readErrors > 0 || (isAllSound && unreadBytes > TOLD_UNREAD_BYTES)
    const isUnread = isTold && unreadBytes > TOLD_UNREAD_SHARE * fileBytes
    const end = this.#samples / SAMPLE_RATE
    if (gaveUp || isUnread || lostAtEnd.seconds > TOLD_LOSS_SECONDS) this.#tellDamage(end, end, lostAtEnd)
  }

  #tellDamage(start: number, end: number, { seconds }: Loss): void {
    const lost = Math.max(end - start, seconds)
    const length = lost < TOLD_LOSS_SECONDS ? '' : `, about ${lost.toFixed(1)} s`
    const message = `The recording is damaged here, and something is missing${length}. The rest was transcribed.`
    this.#warnings.add({ code: 'audio.damaged', message, start, end })
  }
}
