import { AVERROR_EOF, AV_NOPTS_VALUE, AV_PKT_DATA_SKIP_SAMPLES } from 'node-av/constants'
import { FFmpegError, Frame, Packet, PosixError } from 'node-av/lib'
import type { CodecContext } from 'node-av/lib'
import { codecName } from './container.ts'
import type { AudioTrack, Container } from './container.ts'
import type { FileTags } from './tags.ts'

const AVERROR_EAGAIN = FFmpegError.AVERROR(PosixError.EAGAIN)
/** Errors in a row, without anything that can be read in between, from which on the rest is given up. */
const MAX_READ_ERRORS = 1000
/** Packets of others, or that can't be decoded, after which a sign of life is given. */
const PACKETS_PER_SIGN = 256

/** Formats of frames alone, one behind the other: FFmpeg passes over what is none, be it half of the file, without an error. */
export const ONLY_FRAMES: ReadonlySet<string> = new Set(['mp3', 'aac', 'ac3', 'eac3', 'amr', 'dts'])
/** More than a frame of these takes: what lies before a frame, and is none, comes with it. */
const MAX_FRAME_BYTES = 16 * 2 ** 10

/** What a track holds, in turn. */
export type TrackItem =
  | {
      readonly type: 'frame'
      /** Is used again for the next one. */
      readonly frame: Frame
      /** Its timestamp in seconds. */
      readonly at: number | undefined
      /** Of what could not be read or decoded just before it. */
      readonly lostBefore: Loss | undefined
    }
  /** A packet that stands for silence, from one timestamp to another, in seconds. */
  | { readonly type: 'pause'; readonly at: number; readonly until: number }
  /** Nothing, for a while. */
  | { readonly type: 'sign' }
  | { readonly type: 'end'; readonly summary: TrackSummary }

/** What could not be read or decoded in one place. */
export interface Loss {
  readonly readErrors: number
  /** Of the packets that could not be decoded, as far as they tell. */
  readonly seconds: number
}

export interface TrackSummary {
  readonly packets: number
  readonly lostAtEnd: Loss | undefined
  /** In the file. */
  readonly lastPacketAt: number
  /** Whether reading ended by errors. */
  readonly gaveUp: boolean
  readonly lastError: FFmpegError | undefined
}

/** Reads and decodes one track to its end, whatever is broken on the way: a broken packet costs its own sound only. */
export class TrackReader {
  readonly #container: Container
  readonly #track: AudioTrack
  readonly #codec: CodecContext
  readonly #tags: FileTags
  readonly #timeBase: AudioTrack['stream']['timeBase']
  readonly #secondsPerTick: number
  readonly #pauses: (packet: Packet) => boolean
  #readErrors = 0
  #lostSeconds = 0
  /** Of tags, by the timestamps, which FFmpeg counts on where it takes a tag for sound. */
  #tagSeconds = 0
  #lastError: FFmpegError | undefined
  #packets = 0
  #lastPacketAt = 0
  #lastFrameBytes = 0

  constructor(container: Container, track: AudioTrack, codec: CodecContext, tags: FileTags) {
    this.#container = container
    this.#track = track
    this.#codec = codec
    this.#tags = tags
    this.#timeBase = track.stream.timeBase
    this.#secondsPerTick = this.#timeBase.num / this.#timeBase.den
    this.#pauses = pausesOf(codecName(track))
  }

  /**
   * One packet and one frame are used again for the whole file: wrapped anew for each frame, as node-av's generators do it, they take
   * longer than the decoding.
   */
  *items(): Generator<TrackItem, void, void> {
    const { context, format } = this.#container
    const { index } = this.#track.stream
    const keepsPadding = format.includes('mp4')
    using packet = new Packet()
    using frame = new Frame()
    packet.alloc()
    frame.alloc()
    let errorsInARow = 0
    for (let count = 1; ; count++) {
      if (count % PACKETS_PER_SIGN === 0) yield { type: 'sign' }
      const result = context.readFrameSync(packet)
      if (result === AVERROR_EOF) break
      if (result < 0) {
        this.#noteReadError(result)
        if (++errorsInARow === MAX_READ_ERRORS) break
        continue
      }
      errorsInARow = 0
      if (packet.streamIndex === index && packet.size > 0) {
        if (keepsPadding) keepPadding(packet)
        yield* this.#decode(packet, frame)
      }
      packet.unref()
    }
    this.#codec.sendPacketSync(null)
    yield* this.#received(frame)
    yield { type: 'end', summary: this.#summary(errorsInARow === MAX_READ_ERRORS) }
  }

  *#decode(packet: Packet, frame: Frame): Generator<TrackItem, void, void> {
    this.#packets += 1
    this.#lastPacketAt = Math.max(this.#lastPacketAt, Number(packet.pos))
    if (ONLY_FRAMES.has(this.#container.format)) {
      if (this.#tags.isIn(packet)) {
        this.#tagSeconds += Number(packet.duration) * this.#secondsPerTick
        return
      }
      this.#notePassedOver(packet)
    }
    if (this.#pauses(packet)) {
      const at = this.#secondsOf(packet.pts)
      const seconds = Number(packet.duration) * this.#secondsPerTick
      if (at !== undefined && seconds > 0) yield { type: 'pause', at, until: at + seconds }
      return
    }
    const result = this.#codec.sendPacketSync(packet)
    if (result < 0 && result !== AVERROR_EAGAIN) this.#noteDamage(result, packet)
    yield* this.#received(frame, packet)
  }

  *#received(frame: Frame, packet?: Packet): Generator<TrackItem, void, void> {
    for (;;) {
      const result = this.#codec.receiveFrameSync(frame)
      if (result === AVERROR_EAGAIN || result === AVERROR_EOF) return
      if (result < 0) {
        this.#noteDamage(result, packet)
        return
      }
      frame.timeBase = this.#timeBase
      const lostBefore = this.#takeLoss()
      yield { type: 'frame', frame, at: this.#secondsOf(frame.pts), lostBefore }
    }
  }

  /** How long it would have been is guessed by the frame before it. */
  #notePassedOver(packet: Packet): void {
    if (Number(packet.pos) + packet.size > this.#tags.soundEnd) return
    if (packet.size <= MAX_FRAME_BYTES) {
      this.#lastFrameBytes = packet.size
    } else if (this.#lastFrameBytes > 0) {
      this.#readErrors += 1
      this.#lostSeconds += (packet.size / this.#lastFrameBytes) * Number(packet.duration) * this.#secondsPerTick
    }
  }

  #noteReadError(result: number): void {
    this.#readErrors += 1
    this.#lastError = FFmpegError.fromCode(result) ?? undefined
  }

  #noteDamage(result: number, packet: Packet | undefined): void {
    this.#lastError = FFmpegError.fromCode(result) ?? undefined
    if (packet === undefined || Number(packet.pos) >= this.#tags.soundEnd) return
    this.#lostSeconds += Math.max(0, Number(packet.duration)) * this.#secondsPerTick
  }

  #takeLoss(): Loss | undefined {
    if (this.#readErrors === 0 && this.#lostSeconds === 0) return undefined
    const loss = { readErrors: this.#readErrors, seconds: this.#lostSeconds }
    this.#readErrors = 0
    this.#lostSeconds = 0
    return loss
  }

  #summary(gaveUp: boolean): TrackSummary {
    const [packets, lastPacketAt, lastError] = [this.#packets, this.#lastPacketAt, this.#lastError]
    return { packets, lostAtEnd: this.#takeLoss(), lastPacketAt, gaveUp, lastError }
  }

  #secondsOf(timestamp: bigint): number | undefined {
    return timestamp === AV_NOPTS_VALUE ? undefined : Number(timestamp) * this.#secondsPerTick - this.#tagSeconds
  }
}

/** AMR's frames of comfort noise, or of no data, which FFmpeg does not decode; the type of a frame is in its first byte. */
function pausesOf(codec: string): (packet: Packet) => boolean {
  const first = codec === 'amr_nb' ? 8 : codec === 'amr_wb' ? 9 : undefined
  if (first === undefined) return () => false
  return (packet) => (((packet.data?.[0] ?? 0) >> 3) & 0x0f) >= first
}

/**
 * FFmpeg's newest versions cut the encoder's padding off the end of an mp4's audio, those that the reference is mostly run with do
 * not: a few milliseconds, but other scores for the last window.
 */
function keepPadding(packet: Packet): void {
  // Little-endian: samples to skip at the beginning, samples to discard at the end.
  const skips = packet.getSideData(AV_PKT_DATA_SKIP_SAMPLES)
  if (skips === null || skips.readUInt32LE(4) === 0) return
  const withoutDiscard = Buffer.from(skips)
  withoutDiscard.writeUInt32LE(0, 4)
  FFmpegError.throwIfError(packet.addSideData(AV_PKT_DATA_SKIP_SAMPLES, withoutDiscard), 'addSideData')
}
