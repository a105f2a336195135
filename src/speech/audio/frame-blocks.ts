import { FFT_LENGTH, HOP_LENGTH } from './log-mel.ts'

/** Frames of a block: 10 s. */
export const BLOCK_FRAMES = 1000
const PADDING = FFT_LENGTH / 2
const BLOCK_SAMPLES = BLOCK_FRAMES * HOP_LENGTH + FFT_LENGTH - HOP_LENGTH

/** Frames that follow each other, and all samples that they need: a block's log-mel can be computed by whoever has it. */
export interface FrameBlock {
  readonly firstFrame: number
  readonly frames: number
  /** (frames − 1) · 160 + 400 samples, signed 16-bit, at 16 kHz. */
  readonly samples: Int16Array<ArrayBuffer>
}

/**
 * Cuts a recording into blocks of frames as its samples come in (`whisper/audio.py`, `log_mel_spectrogram`): a frame has 25 ms, each is 10 ms
 * behind the last; the recording is reflected at its beginning and followed by silence.
 */
export class FrameBlocks {
  #samples = 0
  #frames = 0
  /** What came before there was enough to reflect. */
  #beginning: Int16Array | undefined = new Int16Array(0)
  #block = new Int16Array(BLOCK_SAMPLES)
  #filled = 0

  /** Samples so far. */
  get samples(): number {
    return this.#samples
  }

  /** Gives out each block that is complete. */
  *push(samples: Int16Array): Generator<FrameBlock, void, void> {
    this.#samples += samples.length
    yield* this.#append(samples)
  }

  /** Ends the recording, and gives out the rest of the frames that touch it. */
  *finish(): Generator<FrameBlock, void, void> {
    const touching = Math.ceil((this.#samples + PADDING) / HOP_LENGTH)
    yield* this.#append(new Int16Array(FFT_LENGTH))
    const frames = touching - this.#frames
    if (frames > 0) yield this.#take(frames)
  }

  *#append(samples: Int16Array): Generator<FrameBlock, void, void> {
    if (this.#beginning === undefined) {
      yield* this.#fill(samples)
      return
    }
    const beginning = new Int16Array(this.#beginning.length + samples.length)
    beginning.set(this.#beginning)
    beginning.set(samples, this.#beginning.length)
    if (beginning.length <= PADDING) {
      this.#beginning = beginning
      return
    }
    this.#beginning = undefined
    yield* this.#fill(beginning.subarray(1, PADDING + 1).toReversed())
    yield* this.#fill(beginning)
  }

  *#fill(samples: Int16Array): Generator<FrameBlock, void, void> {
    for (let at = 0; at < samples.length;) {
      const part = samples.subarray(at, at + BLOCK_SAMPLES - this.#filled)
      this.#block.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === BLOCK_SAMPLES) yield this.#take(BLOCK_FRAMES)
    }
  }

  #take(frames: number): FrameBlock {
    const samples = this.#block.slice(0, (frames - 1) * HOP_LENGTH + FFT_LENGTH)
    const block = { firstFrame: this.#frames, frames, samples }
    this.#block.copyWithin(0, frames * HOP_LENGTH, this.#filled)
    this.#filled -= frames * HOP_LENGTH
    this.#frames += frames
    return block
  }
}
