/** One triangular filter: its weights over the bins from `firstBin` on. */
export interface MelFilter {
  readonly firstBin: number
  readonly weights: Float64Array
}

const MEL_PER_HZ_BELOW = 3 / 200
const BREAK_HZ = 1000
const BREAK_MEL = BREAK_HZ * MEL_PER_HZ_BELOW
const LOG_STEP = Math.log(6.4) / 27

/** Hertz of a mel on Slaney's scale: linear up to 1 kHz, logarithmic above (Auditory Toolbox, 1998). */
function hertz(mel: number): number {
  return mel < BREAK_MEL ? mel / MEL_PER_HZ_BELOW : BREAK_HZ * Math.exp(LOG_STEP * (mel - BREAK_MEL))
}

function mels(hz: number): number {
  return hz < BREAK_HZ ? hz * MEL_PER_HZ_BELOW : BREAK_MEL + Math.log(hz / BREAK_HZ) / LOG_STEP
}

/**
 * The filter bank of the reference: triangles from 0 Hz to half the sample rate, evenly spaced in mel, each of unit area, in
 * float32 as it is stored there.
 * @param fftLength the bins are 0…fftLength/2
 */
export function melFilters(bands: number, fftLength: number, sampleRate: number): readonly MelFilter[] {
  const highest = mels(sampleRate / 2)
  const edges = Array.from({ length: bands + 2 }, (_, index) => hertz((highest * index) / (bands + 1)))
  const binHz = sampleRate / fftLength
  return Array.from({ length: bands }, (_, band) => {
    const [low, centre, high] = [edges[band]!, edges[band + 1]!, edges[band + 2]!]
    const firstBin = Math.floor(low / binHz) + 1
    const count = Math.max(0, Math.ceil(high / binHz) - firstBin)
    const weights = Float64Array.from({ length: count }, (_weight, index) => {
      const hz = (firstBin + index) * binHz
      const height = Math.max(0, Math.min((hz - low) / (centre - low), (high - hz) / (high - centre)))
      return Math.fround((height * 2) / (high - low))
    })
    return { firstBin, weights }
  })
}
