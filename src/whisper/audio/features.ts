import { randomUUID } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError } from '../errors.ts'
import { decodeAudio } from './decode-audio.ts'
import { LogMelStream, SAMPLE_RATE, SILENCE, normalise } from './log-mel.ts'

/** Frames of a window of 30 s. */
export const WINDOW_FRAMES = 3000

const BYTES_PER_VALUE = Float32Array.BYTES_PER_ELEMENT
/** Frames that are written at once: 10 s. */
const BLOCK_FRAMES = 1000

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
  readonly signal?: AbortSignal
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
}

/**
 * @param path of a local media file, absolute
 * @throws EngineError as `decodeAudio`; `audio.empty`, `audio.too_long`; `engine.disk_full`
 */
export async function openFeatures(path: string, options: OpenFeaturesOptions): Promise<AudioFeatures> {
  return readFeatures(await computeFeatures(path, options))
}

/** As `openFeatures`, up to what the normalisation needs. */
export async function computeFeatures(path: string, options: OpenFeaturesOptions): Promise<RawFeatures> {
  const { melBands, maxSeconds, signal, onProgress } = options
  if ((await stat(path)).size === 0) throw new EngineError('audio.empty', 'The file is empty. Upload a recording.')
  await using stack = new AsyncDisposableStack()
  const spool = stack.use(await Spool.create(options.temporaryFolder, melBands))
  const logMel = new LogMelStream(melBands)
  const emit = (frame: Float32Array): void => spool.append(frame)
  for await (const samples of decodeAudio(path, signal)) {
    logMel.push(samples, emit)
    if (spool.hasBlock) {
      await spool.flush()
      onProgress?.(logMel.samples / SAMPLE_RATE)
    }
    if (maxSeconds !== null && logMel.samples > maxSeconds * SAMPLE_RATE) throw tooLong(maxSeconds)
  }
  logMel.finish(emit)
  await spool.flush()
  stack.move()
  const { file, frames, maximum } = spool
  return { file, melBands, frames, maximum, samples: logMel.samples }
}

export function readFeatures(raw: RawFeatures): AudioFeatures {
  return new SpooledFeatures(raw)
}

class SpooledFeatures implements AudioFeatures {
  readonly durationSeconds: number
  readonly contentFrames: number
  readonly melBands: number
  readonly #raw: RawFeatures

  constructor(raw: RawFeatures) {
    this.#raw = raw
    this.melBands = raw.melBands
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

/** Frames of raw values in a file that only this process can reach, and that goes with it. */
class Spool implements AsyncDisposable {
  readonly bands: number
  frames = 0
  /** Of all values so far and of the silence that follows them. */
  maximum = SILENCE
  readonly file: FileHandle
  #block: Float32Array
  #blockFrames = 0

  private constructor(file: FileHandle, bands: number) {
    this.file = file
    this.bands = bands
    this.#block = new Float32Array(bands * BLOCK_FRAMES)
  }

  static async create(folder: string, bands: number): Promise<Spool> {
    const path = join(folder, `log-mel-${randomUUID()}`)
    const file = await open(path, 'wx+', 0o600)
    // Without its name it is gone at the latest when this process is, also by a kill -9.
    await rm(path, { force: true })
    return new Spool(file, bands)
  }

  get hasBlock(): boolean {
    return this.#blockFrames >= BLOCK_FRAMES
  }

  append(frame: Float32Array): void {
    const at = this.#blockFrames * this.bands
    if (at === this.#block.length) {
      const larger = new Float32Array(2 * this.#block.length)
      larger.set(this.#block)
      this.#block = larger
    }
    this.#block.set(frame, at)
    for (const value of frame) if (value > this.maximum) this.maximum = value
    this.#blockFrames += 1
    this.frames += 1
  }

  async flush(): Promise<void> {
    const bytes = Buffer.from(this.#block.buffer, 0, this.#blockFrames * this.bands * BYTES_PER_VALUE)
    const position = (this.frames - this.#blockFrames) * this.bands * BYTES_PER_VALUE
    try {
      for (let done = 0; done < bytes.length;) {
        done += (await this.file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
      }
    } catch (cause) {
      throw new EngineError('engine.disk_full', 'The server’s disk is full or can’t be written.', { cause })
    }
    this.#blockFrames = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close()
  }
}

function tooLong(maxSeconds: number): EngineError {
  return new EngineError('audio.too_long', `The recording is longer than the ${maxSeconds} s that are allowed here.`)
}
