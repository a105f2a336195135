/**
 * Power spectrum of a real signal of fixed even length, by a complex Fourier transform of half that length (Stockham's
 * autosort form, which needs no reordering: C. Van Loan, "Computational Frameworks for the Fast Fourier Transform", 1992).
 */
export class PowerSpectrum {
  readonly length: number
  readonly #stages: readonly Stage[]
  #real: Float64Array
  #imaginary: Float64Array
  #nextReal: Float64Array
  #nextImaginary: Float64Array
  /** e^(−2πik/length), interleaved. */
  readonly #split: Float64Array

  /** @param length even; its half must have no prime factors but 2 and 5 */
  constructor(length: number) {
    this.length = length
    const half = length / 2
    this.#stages = stagesOf(half)
    this.#real = new Float64Array(half)
    this.#imaginary = new Float64Array(half)
    this.#nextReal = new Float64Array(half)
    this.#nextImaginary = new Float64Array(half)
    this.#split = rootsOfUnity(length, half + 1)
  }

  /**
   * @param signal `length` samples
   * @param power receives the squared magnitudes of bins 0…length/2
   */
  compute(signal: Float64Array, power: Float64Array): void {
    const half = this.length / 2
    for (let k = 0; k < half; k++) {
      this.#real[k] = signal[2 * k]!
      this.#imaginary[k] = signal[2 * k + 1]!
    }
    for (const stage of this.#stages) {
      stage(this.#real, this.#imaginary, this.#nextReal, this.#nextImaginary)
      ;[this.#real, this.#nextReal] = [this.#nextReal, this.#real]
      ;[this.#imaginary, this.#nextImaginary] = [this.#nextImaginary, this.#imaginary]
    }
    this.#unpack(power)
  }

  /** From the transform of even + i·odd samples to that of the whole signal. */
  #unpack(power: Float64Array): void {
    const half = this.length / 2
    const [real, imaginary, split] = [this.#real, this.#imaginary, this.#split]
    for (let k = 0; k <= half; k++) {
      const low = k === half ? 0 : k
      const high = k === 0 ? 0 : half - k
      const evenReal = (real[low]! + real[high]!) / 2
      const evenImaginary = (imaginary[low]! - imaginary[high]!) / 2
      const oddReal = (imaginary[low]! + imaginary[high]!) / 2
      const oddImaginary = (real[high]! - real[low]!) / 2
      const c = split[2 * k]!
      const s = split[2 * k + 1]!
      const re = evenReal + oddReal * c - oddImaginary * s
      const im = evenImaginary + oddReal * s + oddImaginary * c
      power[k] = re * re + im * im
    }
  }
}

type Stage = (re: Float64Array, im: Float64Array, outRe: Float64Array, outIm: Float64Array) => void

/** Interleaved real and imaginary parts of e^(−2πik/n), k < count. */
function rootsOfUnity(n: number, count: number): Float64Array {
  const roots = new Float64Array(2 * count)
  for (let k = 0; k < count; k++) {
    roots[2 * k] = Math.cos((2 * Math.PI * k) / n)
    roots[2 * k + 1] = -Math.sin((2 * Math.PI * k) / n)
  }
  return roots
}

const BUTTERFLIES = { 2: stageOf2, 4: stageOf4, 5: stageOf5 } as const

function stagesOf(length: number): readonly Stage[] {
  const stages: Stage[] = []
  let [rest, stride] = [length, 1]
  while (rest > 1) {
    const radix = ([5, 4, 2] as const).find((factor) => rest % factor === 0)
    if (radix === undefined) throw new RangeError(`${length} has prime factors other than 2 and 5`)
    stages.push(BUTTERFLIES[radix](rest, stride))
    rest /= radix
    stride *= radix
  }
  return stages
}

// Each stage has `length / radix` butterflies for each of `stride` interleaved transforms; written out, since loops over the
// radix take five times as long.

function stageOf2(length: number, stride: number): Stage {
  const groups = length / 2
  const w = rootsOfUnity(length, length)
  return (re, im, outRe, outIm) => {
    for (let p = 0; p < groups; p++) {
      const [c, s] = [w[2 * p]!, w[2 * p + 1]!]
      for (let q = 0; q < stride; q++) {
        const i0 = q + stride * p
        const i1 = i0 + stride * groups
        const o = q + stride * 2 * p
        const dRe = re[i0]! - re[i1]!
        const dIm = im[i0]! - im[i1]!
        outRe[o] = re[i0]! + re[i1]!
        outIm[o] = im[i0]! + im[i1]!
        outRe[o + stride] = dRe * c - dIm * s
        outIm[o + stride] = dRe * s + dIm * c
      }
    }
  }
}

function stageOf4(length: number, stride: number): Stage {
  const groups = length / 4
  const w = rootsOfUnity(length, length)
  return (re, im, outRe, outIm) => {
    const step = stride * groups
    for (let p = 0; p < groups; p++) {
      const c1 = w[2 * p]!
      const s1 = w[2 * p + 1]!
      const c2 = w[4 * p]!
      const s2 = w[4 * p + 1]!
      const c3 = w[6 * p]!
      const s3 = w[6 * p + 1]!
      for (let q = 0; q < stride; q++) {
        const i = q + stride * p
        const o = q + stride * 4 * p
        const aRe = re[i]! + re[i + 2 * step]!
        const aIm = im[i]! + im[i + 2 * step]!
        const bRe = re[i]! - re[i + 2 * step]!
        const bIm = im[i]! - im[i + 2 * step]!
        const cRe = re[i + step]! + re[i + 3 * step]!
        const cIm = im[i + step]! + im[i + 3 * step]!
        // Times −i.
        const dRe = im[i + step]! - im[i + 3 * step]!
        const dIm = re[i + 3 * step]! - re[i + step]!
        outRe[o] = aRe + cRe
        outIm[o] = aIm + cIm
        outRe[o + stride] = (bRe + dRe) * c1 - (bIm + dIm) * s1
        outIm[o + stride] = (bRe + dRe) * s1 + (bIm + dIm) * c1
        outRe[o + 2 * stride] = (aRe - cRe) * c2 - (aIm - cIm) * s2
        outIm[o + 2 * stride] = (aRe - cRe) * s2 + (aIm - cIm) * c2
        outRe[o + 3 * stride] = (bRe - dRe) * c3 - (bIm - dIm) * s3
        outIm[o + 3 * stride] = (bRe - dRe) * s3 + (bIm - dIm) * c3
      }
    }
  }
}

const COS_1_5 = Math.cos((2 * Math.PI) / 5)
const COS_2_5 = Math.cos((4 * Math.PI) / 5)
const SIN_1_5 = Math.sin((2 * Math.PI) / 5)
const SIN_2_5 = Math.sin((4 * Math.PI) / 5)

function stageOf5(length: number, stride: number): Stage {
  const groups = length / 5
  const w = rootsOfUnity(length, length)
  return (re, im, outRe, outIm) => {
    const step = stride * groups
    for (let p = 0; p < groups; p++) {
      for (let q = 0; q < stride; q++) {
        const i = q + stride * p
        const o = q + stride * 5 * p
        const re0 = re[i]!
        const im0 = im[i]!
        const sum1Re = re[i + step]! + re[i + 4 * step]!
        const sum1Im = im[i + step]! + im[i + 4 * step]!
        const sum2Re = re[i + 2 * step]! + re[i + 3 * step]!
        const sum2Im = im[i + 2 * step]! + im[i + 3 * step]!
        const dif1Re = re[i + step]! - re[i + 4 * step]!
        const dif1Im = im[i + step]! - im[i + 4 * step]!
        const dif2Re = re[i + 2 * step]! - re[i + 3 * step]!
        const dif2Im = im[i + 2 * step]! - im[i + 3 * step]!
        const aRe = re0 + COS_1_5 * sum1Re + COS_2_5 * sum2Re
        const aIm = im0 + COS_1_5 * sum1Im + COS_2_5 * sum2Im
        const bRe = re0 + COS_2_5 * sum1Re + COS_1_5 * sum2Re
        const bIm = im0 + COS_2_5 * sum1Im + COS_1_5 * sum2Im
        // Times −i.
        const cRe = SIN_1_5 * dif1Im + SIN_2_5 * dif2Im
        const cIm = -(SIN_1_5 * dif1Re + SIN_2_5 * dif2Re)
        const dRe = SIN_2_5 * dif1Im - SIN_1_5 * dif2Im
        const dIm = -(SIN_2_5 * dif1Re - SIN_1_5 * dif2Re)
        outRe[o] = re0 + sum1Re + sum2Re
        outIm[o] = im0 + sum1Im + sum2Im
        rotate(outRe, outIm, o + stride, aRe + cRe, aIm + cIm, w, p)
        rotate(outRe, outIm, o + 2 * stride, bRe + dRe, bIm + dIm, w, 2 * p)
        rotate(outRe, outIm, o + 3 * stride, bRe - dRe, bIm - dIm, w, 3 * p)
        rotate(outRe, outIm, o + 4 * stride, aRe - cRe, aIm - cIm, w, 4 * p)
      }
    }
  }
}

/** Stores (re + i·im) · w^k. */
function rotate(
  outRe: Float64Array,
  outIm: Float64Array,
  at: number,
  re: number,
  im: number,
  w: Float64Array,
  k: number,
): void {
  const c = w[2 * k]!
  const s = w[2 * k + 1]!
  outRe[at] = re * c - im * s
  outIm[at] = re * s + im * c
}
