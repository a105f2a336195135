import { PowerSpectrum } from './fft.ts'
import { melFilters } from './mel-filters.ts'
import type { MelFilter } from './mel-filters.ts'

export const SAMPLE_RATE = 16_000
/** Samples between frames: a frame is 10 ms. */
export const HOP_LENGTH = 160
const FFT_LENGTH = 400
const PADDING = FFT_LENGTH / 2

/** log10 of the smallest power that counts: the value of silence. */
export const SILENCE = -10
/** Below the loudest value of the whole recording by more than this, values are clamped. */
const DYNAMIC_RANGE = 8

/**
 * The log-mel spectrogram as the samples come in (`whisper/audio.py`, `log_mel_spectrogram`): Hann window of 25 ms, hop of 10 ms,
 * reflected at the beginning, followed by silence. Values are log10 of the mel powers, before the normalisation, which needs the
 * maximum over the whole recording.
 */
export class LogMelStream {
  readonly bands: number
  readonly #filters: readonly MelFilter[]
  readonly #spectrum = new PowerSpectrum(FFT_LENGTH)
  readonly #power = new Float64Array(FFT_LENGTH / 2 + 1)
  readonly #windowed = new Float64Array(FFT_LENGTH)
  readonly #frame: Float32Array
  /** What the next frames need: from sample `#begin` on, where negative ones are the reflected beginning. */
  #pending = new Float64Array(1 << 16)
  #length = 0
  #isStarted = false
  #samples = 0
  #frames = 0

  constructor(bands: number) {
    this.bands = bands
    this.#filters = melFilters(bands, FFT_LENGTH, SAMPLE_RATE)
    this.#frame = new Float32Array(bands)
  }

  /** Samples so far. */
  get samples(): number {
    return this.#samples
  }

  /**
   * @param samples signed 16-bit, at 16 kHz
   * @param emit gets each frame that is complete, `bands` values in an array that is used again
   */
  push(samples: Int16Array, emit: (frame: Float32Array) => void): void {
    this.#samples += samples.length
    this.#append(samples)
    if (!this.#isStarted && !this.#start()) return
    this.#emitComplete(emit)
  }

  /** Ends the recording with silence and emits the frames that still touch it. */
  finish(emit: (frame: Float32Array) => void): void {
    const touching = Math.ceil((this.#samples + PADDING) / HOP_LENGTH)
    this.#append(new Int16Array(FFT_LENGTH + HOP_LENGTH))
    if (!this.#isStarted) this.#start()
    this.#emitComplete((frame) => {
      if (this.#frames <= touching) emit(frame)
    })
  }

  #append(samples: Int16Array): void {
    const needed = this.#length + samples.length
    if (needed > this.#pending.length) {
      const larger = new Float64Array(Math.max(needed, 2 * this.#pending.length))
      larger.set(this.#pending.subarray(0, this.#length))
      this.#pending = larger
    }
    for (let i = 0; i < samples.length; i++) this.#pending[this.#length + i] = samples[i]! / 32_768
    this.#length = needed
  }

  /** Puts the reflection before the beginning, once there is enough to reflect. */
  #start(): boolean {
    if (this.#length <= PADDING) return false
    const reflection = this.#pending.subarray(1, PADDING + 1).toReversed()
    this.#append(new Int16Array(PADDING))
    this.#pending.copyWithin(PADDING, 0, this.#length - PADDING)
    this.#pending.set(reflection)
    this.#isStarted = true
    return true
  }

  #emitComplete(emit: (frame: Float32Array) => void): void {
    let at = 0
    for (; at + FFT_LENGTH <= this.#length; at += HOP_LENGTH) {
      this.#compute(at)
      this.#frames += 1
      emit(this.#frame)
    }
    this.#pending.copyWithin(0, at, this.#length)
    this.#length -= at
  }

  #compute(at: number): void {
    for (let i = 0; i < FFT_LENGTH; i++) this.#windowed[i] = this.#pending[at + i]! * HANN[i]!
    this.#spectrum.compute(this.#windowed, this.#power)
    for (let band = 0; band < this.bands; band++) {
      const { firstBin, weights } = this.#filters[band]!
      let sum = 0
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * this.#power[firstBin + i]!
      this.#frame[band] = Math.log10(Math.max(sum, 1e-10))
    }
  }
}

/** Periodic, as torch.hann_window makes it. */
const HANN = Float64Array.from({ length: FFT_LENGTH }, (_, n) => (1 - Math.cos((2 * Math.PI * n) / FFT_LENGTH)) / 2)

/** What the network takes, from a raw value and the maximum over the whole recording. */
export function normalise(value: number, maximum: number): number {
  return (Math.max(value, maximum - DYNAMIC_RANGE) + 4) / 4
}
