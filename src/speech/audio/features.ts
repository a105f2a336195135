import { stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AudioWarning } from '../../contract/transcript.ts'
import { EngineError } from '../errors.ts'
import { decodeAudio } from './decode-audio.ts'
import type { AudioSource } from './decode-audio.ts'
import { QUIET_PEAK, findSound } from './find-sound.ts'
import { FrameBlocks } from './frame-blocks.ts'
import { SAMPLE_RATE, SILENCE, normalise } from './log-mel.ts'
import { TOLERATED_PADDING_SECONDS } from '../../contract/recognition-task.ts'
import { BYTES_PER_VALUE, Spool } from './spool.ts'
import { SpooledBlocks } from './spooled-blocks.ts'
import { AudioWarnings } from './warnings.ts'

/** Frames of a window of 30 s. */
export const WINDOW_FRAMES = 3000

/** The heartbeat comes at least so often while the decoding goes on, with sound or without. */
const PROGRESS_MS = 250
/** How long the search for sound may hold the thread. */
const SEARCH_TURN_MS = 20

/**
 * The log-mel of a whole recording, read window by window.
 *
 * Its normalisation takes the maximum over the whole recording, so no window is known before the last sample is decoded. To stay
 * exact in constant memory, the values before normalisation go to a temporary file that has no name (115 MB an hour), and
 * each window is read back from it and normalised then: one decoding, one transform a frame.
 */
export interface AudioFeatures extends AsyncDisposable {
  readonly durationSeconds: number
  /** Frames of 10 ms: floor(samples / 160). */
  readonly contentFrames: number
  readonly melBands: number
  /** What is wrong with the recording; empty: nothing that is known. */
  readonly warnings: readonly AudioWarning[]
  /**
   * @returns [melBands, 3000], row-major: `frames` frames of the content from `seek` on, then the value 0
   */
  window(seek: number, frames: number): Promise<Float32Array>
  /**
   * @returns [melBands, 3000]: the first frames as they are, with the silence that follows a short recording; for the
   * detection of the language alone
   */
  firstWindow(): Promise<Float32Array>
}

export interface OpenFeaturesOptions {
  readonly melBands: number
  /** For the log-mel of long recordings. */
  readonly temporaryFolder: string
  /** Longer recordings are refused; null: any length. */
  readonly maxSeconds: number | null
  /** Among the file's audio tracks, from 0; null or left out: the one that speaks. */
  readonly audioTrack?: number | null
  readonly signal?: AbortSignal
  /** Is called several times a second while the decoding goes on, also where there is nothing to decode. */
  readonly onProgress?: (decodedSeconds: number) => void
}

/** A recording's log-mel before normalisation, in a form that can be handed to another thread. */
export interface RawFeatures {
  /** Frames by bands, float32. Whoever takes it closes it. */
  readonly file: FileHandle
  readonly melBands: number
  readonly frames: number
  /** Of all values and of the silence that follows them. */
  readonly maximum: number
  readonly samples: number
  readonly warnings: readonly AudioWarning[]
}

/**
 * @param path of a local media file, absolute
 * @throws EngineError as `decodeAudio`; `audio.empty`, `audio.too_long`; `engine.disk_full`, `engine.spool_full`
 */
export async function openFeatures(path: string, options: OpenFeaturesOptions): Promise<AudioFeatures> {
  return readFeatures(await computeFeatures(path, options))
}

/** As `openFeatures`, up to what the normalisation needs. */
export async function computeFeatures(path: string, options: OpenFeaturesOptions): Promise<RawFeatures> {
  if ((await stat(path)).size === 0) throw new EngineError('audio.empty', 'The file is empty. Upload a recording.')
  const source: AudioSource = { track: options.audioTrack ?? null, channel: null }
  const warnings = new AudioWarnings()
  const { raw, peak } = await spoolFeatures(path, source, warnings, options)
  if (peak > QUIET_PEAK) return raw
  await using stack = new AsyncDisposableStack()
  stack.defer(() => raw.file.close())
  const found = new AudioWarnings()
  const better = await searchSound(path, source, found, options, raw.samples / SAMPLE_RATE)
  if (better !== undefined) return (await spoolFeatures(path, better, found, options)).raw
  stack.move()
  return raw
}

interface Spooled {
  readonly raw: RawFeatures
  /** The loudest sample. */
  readonly peak: number
}

async function spoolFeatures(
  path: string,
  source: AudioSource,
  warnings: AudioWarnings,
  { melBands, temporaryFolder, maxSeconds, signal, onProgress }: OpenFeaturesOptions,
): Promise<Spooled> {
  await using stack = new AsyncDisposableStack()
  const spool = stack.use(await Spool.create(temporaryFolder, melBands))
  await using blocks = new SpooledBlocks(spool)
  const framing = new FrameBlocks()
  const limitSeconds = maxSeconds ?? Infinity
  let progressAt = 0
  for await (const samples of decodeAudio(path, { source, warnings, ...(signal === undefined ? {} : { signal }) })) {
    for (const block of framing.push(samples)) await blocks.add(block)
    if (framing.samples > (limitSeconds + TOLERATED_PADDING_SECONDS) * SAMPLE_RATE) throw tooLong(limitSeconds)
    if (performance.now() < progressAt) continue
    progressAt = performance.now() + PROGRESS_MS
    onProgress?.(framing.samples / SAMPLE_RATE)
  }
  for (const block of framing.finish()) await blocks.add(block)
  const peak = await blocks.end()
  stack.move()
  const { file, frames, maximum } = spool
  return { raw: { file, melBands, frames, maximum, samples: framing.samples, warnings: warnings.list }, peak }
}

async function searchSound(
  path: string,
  source: AudioSource,
  warnings: AudioWarnings,
  { maxSeconds, signal, onProgress }: OpenFeaturesOptions,
  decodedSeconds: number,
): Promise<AudioSource | undefined> {
  const search = findSound(path, source, warnings, maxSeconds)
  for (let turnAt = 0; ;) {
    const step = search.next()
    if (step.done === true) return step.value
    if (performance.now() < turnAt) continue
    await nextTurn()
    signal?.throwIfAborted()
    onProgress?.(decodedSeconds)
    turnAt = performance.now() + SEARCH_TURN_MS
  }
}

export function readFeatures(raw: RawFeatures): AudioFeatures {
  return new SpooledFeatures(raw)
}

class SpooledFeatures implements AudioFeatures {
  readonly durationSeconds: number
  readonly contentFrames: number
  readonly melBands: number
  readonly warnings: readonly AudioWarning[]
  readonly #raw: RawFeatures

  constructor(raw: RawFeatures) {
    this.#raw = raw
    this.melBands = raw.melBands
    this.warnings = raw.warnings
    this.durationSeconds = raw.samples / SAMPLE_RATE
    this.contentFrames = Math.floor((raw.samples * 100) / SAMPLE_RATE)
  }

  async window(seek: number, frames: number): Promise<Float32Array> {
    const count = Math.min(frames, WINDOW_FRAMES, this.contentFrames - seek)
    return await this.#read(seek, count, 0)
  }

  async firstWindow(): Promise<Float32Array> {
    const count = Math.min(WINDOW_FRAMES, this.#raw.frames)
    return await this.#read(0, count, normalise(SILENCE, this.#raw.maximum))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#raw.file.close()
  }

  /** Turns frames by bands into bands by frames. */
  async #read(seek: number, count: number, rest: number): Promise<Float32Array> {
    const { melBands: bands, maximum } = this.#raw
    const values = await readFrames(this.#raw, seek, count)
    const window = new Float32Array(bands * WINDOW_FRAMES)
    if (rest !== 0) window.fill(rest)
    for (let frame = 0; frame < count; frame++) {
      for (let band = 0; band < bands; band++) {
        window[band * WINDOW_FRAMES + frame] = normalise(values[frame * bands + band]!, maximum)
      }
    }
    return window
  }
}

async function readFrames({ file, melBands, frames }: RawFeatures, seek: number, count: number): Promise<Float32Array> {
  const values = new Float32Array(count * melBands)
  const bytes = Buffer.from(values.buffer)
  const position = seek * melBands * BYTES_PER_VALUE
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0) throw new RangeError(`no frames ${seek} to ${seek + count} in a recording of ${frames}`)
    done += bytesRead
  }
  return values
}

function tooLong(maxSeconds: number): EngineError {
  return new EngineError('audio.too_long', `The recording is longer than the ${maxSeconds} s that are allowed here.`)
}
