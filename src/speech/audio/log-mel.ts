import { PowerSpectrum } from './fft.ts'
import { melFilters } from './mel-filters.ts'
import type { MelFilter } from './mel-filters.ts'

export const SAMPLE_RATE = 16_000
/** Samples between frames: a frame is 10 ms. */
export const HOP_LENGTH = 160
/** Samples of a frame. */
export const FFT_LENGTH = 400

/** log10 of the smallest power that counts: the value of silence. */
export const SILENCE = -10
/** Below the loudest value of the whole recording by more than this, values are clamped. */
const DYNAMIC_RANGE = 8

/** The log-mel of some frames, before the normalisation, which needs the maximum over the whole recording. */
export interface LogMelValues {
  /** [frames, bands], row-major: log10 of the mel powers. */
  readonly values: Float32Array<ArrayBuffer>
  readonly maximum: number
  /** The loudest sample, from 0 to 32,768. */
  readonly peak: number
}

/** The log-mel spectrogram of frames of 25 ms with a hop of 10 ms, in a Hann window (`whisper/audio.py`, `log_mel_spectrogram`). */
export class LogMel {
  readonly bands: number
  readonly #filters: readonly MelFilter[]
  readonly #spectrum = new PowerSpectrum(FFT_LENGTH)
  readonly #power = new Float64Array(FFT_LENGTH / 2 + 1)
  readonly #windowed = new Float64Array(FFT_LENGTH)

  constructor(bands: number) {
    this.bands = bands
    this.#filters = melFilters(bands, FFT_LENGTH, SAMPLE_RATE)
  }

  /** @param samples signed 16-bit, at 16 kHz: (frames − 1) · 160 + 400 */
  compute(samples: Int16Array, frames: number): LogMelValues {
    const values = new Float32Array(frames * this.bands)
    for (let frame = 0; frame < frames; frame++) this.#frame(samples, frame * HOP_LENGTH, values, frame * this.bands)
    let maximum = -Infinity
    for (let i = 0; i < values.length; i++) if (values[i]! > maximum) maximum = values[i]!
    let peak = 0
    for (let i = 0; i < samples.length; i++) {
      const magnitude = Math.abs(samples[i]!)
      if (magnitude > peak) peak = magnitude
    }
    return { values, maximum, peak }
  }

  #frame(samples: Int16Array, from: number, values: Float32Array, at: number): void {
    const [windowed, power] = [this.#windowed, this.#power]
    for (let i = 0; i < FFT_LENGTH; i++) windowed[i] = samples[from + i]! * SCALED_HANN[i]!
    this.#spectrum.compute(windowed, power)
    for (let band = 0; band < this.bands; band++) {
      const { firstBin, weights } = this.#filters[band]!
      let sum = 0
      for (let i = 0; i < weights.length; i++) sum += weights[i]! * power[firstBin + i]!
      values[at + band] = Math.log10(Math.max(sum, 1e-10))
    }
  }
}

/** Periodic, as torch.hann_window makes it; the reference's samples are 16-bit ones by 32,768, which rounds nothing wherever it is done. */
const SCALED_HANN = Float64Array.from(
  { length: FFT_LENGTH },
  (_, n) => (1 - Math.cos((2 * Math.PI * n) / FFT_LENGTH)) / 2 / 32_768,
)

/** What the network takes, from a raw value and the maximum over the whole recording. */
export function normalise(value: number, maximum: number): number {
  return (Math.max(value, maximum - DYNAMIC_RANGE) + 4) / 4
}
