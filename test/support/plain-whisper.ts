import { readFileSync } from 'node:fs'
import { readWhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import type { WhisperWeights } from '../../src/models/whisper/weights/whisper-weights.ts'
import type { TensorLocation } from '../../src/speech/weights/safetensors.ts'

/** Rows of equal width, row-major. */
interface Matrix {
  readonly rows: number
  readonly width: number
  readonly values: Float64Array
}

/**
 * The network as its paper and the reference define it, in plain loops over 64-bit numbers: slow, without caches, and short enough
 * to be seen to be right (A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022).
 */
export class PlainWhisper {
  readonly #weights: WhisperWeights
  readonly #values = new Map<string, Float64Array>()

  private constructor(weights: WhisperWeights) {
    this.#weights = weights
  }

  static async load(folder: string): Promise<PlainWhisper> {
    return new PlainWhisper(await readWhisperWeights(folder))
  }

  /** @param mel [nMels, 2·nAudioCtx]; returns [nAudioCtx, nState] */
  encode(mel: Float32Array): Float64Array {
    const { nMels, nState, nAudioCtx, nAudioLayer, nAudioHead } = this.#weights.dimensions
    const frames: Matrix = matrix(mel.length / nMels, nMels, (frame, band) => mel[(band * mel.length) / nMels + frame]!)
    const convolved = this.#convolve(this.#convolve(frames, 'encoder.conv1', 1), 'encoder.conv2', 2)
    const positions = this.#weight('encoder.embed_positions.weight')
    let x = matrix(nAudioCtx, nState, (row, column) => at(convolved, row, column) + positions[row * nState + column]!)
    for (let layer = 0; layer < nAudioLayer; layer++) {
      const name = `encoder.layers.${layer}`
      const normed = this.#layerNorm(x, `${name}.self_attn_layer_norm`)
      x = add(x, this.#attend(normed, normed, `${name}.self_attn`, nAudioHead, false))
      x = add(x, this.#mlp(this.#layerNorm(x, `${name}.final_layer_norm`), name))
    }
    return this.#layerNorm(x, 'encoder.layer_norm').values
  }

  /** Logits behind each of the tokens, [tokens, nVocab]. */
  logits(encoded: Float64Array, tokens: readonly number[]): Float64Array {
    const { nState, nVocab, nTextLayer, nTextHead } = this.#weights.dimensions
    const audio: Matrix = { rows: encoded.length / nState, width: nState, values: encoded }
    const embedding = this.#weight('decoder.embed_tokens.weight')
    const positions = this.#weight('decoder.embed_positions.weight')
    let x = matrix(
      tokens.length,
      nState,
      (row, column) => embedding[tokens[row]! * nState + column]! + positions[row * nState + column]!,
    )
    for (let layer = 0; layer < nTextLayer; layer++) {
      const name = `decoder.layers.${layer}`
      const normed = this.#layerNorm(x, `${name}.self_attn_layer_norm`)
      x = add(x, this.#attend(normed, normed, `${name}.self_attn`, nTextHead, true))
      const queries = this.#layerNorm(x, `${name}.encoder_attn_layer_norm`)
      x = add(x, this.#attend(queries, audio, `${name}.encoder_attn`, nTextHead, false))
      x = add(x, this.#mlp(this.#layerNorm(x, `${name}.final_layer_norm`), name))
    }
    const normed = this.#layerNorm(x, 'decoder.layer_norm')
    return multiply(normed, embedding, nVocab).values
  }

  /** Kernel of 3, one zero before and behind, GELU. */
  #convolve(input: Matrix, name: string, stride: number): Matrix {
    const { nState } = this.#weights.dimensions
    const weight = this.#weight(`${name}.weight`)
    const bias = this.#weight(`${name}.bias`)
    return matrix(Math.ceil(input.rows / stride), nState, (row, channel) => {
      let sum = bias[channel]!
      for (let tap = 0; tap < 3; tap++) {
        const from = row * stride + tap - 1
        if (from < 0 || from >= input.rows) continue
        for (let band = 0; band < input.width; band++)
          sum += at(input, from, band) * weight[(channel * input.width + band) * 3 + tap]!
      }
      return gelu(sum)
    })
  }

  #attend(x: Matrix, source: Matrix, name: string, heads: number, isCausal: boolean): Matrix {
    const [q, k, v] = [
      this.#linear(x, `${name}.q_proj`),
      this.#linear(source, `${name}.k_proj`),
      this.#linear(source, `${name}.v_proj`),
    ]
    const headWidth = x.width / heads
    const mixed = matrix(x.rows, x.width, () => 0)
    for (let head = 0; head < heads; head++) {
      const from = head * headWidth
      for (let row = 0; row < x.rows; row++) {
        const seen = isCausal ? row + 1 : source.rows
        const scores = new Float64Array(seen).map((_, key) => {
          let score = 0
          for (let i = from; i < from + headWidth; i++) score += at(q, row, i) * at(k, key, i)
          return score / Math.sqrt(headWidth)
        })
        const highest = scores.reduce((one, other) => Math.max(one, other))
        const weights = scores.map((score) => Math.exp(score - highest))
        const total = weights.reduce((sum, weight) => sum + weight, 0)
        weights.forEach((weight, key) => {
          for (let i = from; i < from + headWidth; i++)
            mixed.values[row * x.width + i]! += (weight / total) * at(v, key, i)
        })
      }
    }
    return this.#linear(mixed, `${name}.out_proj`)
  }

  #mlp(x: Matrix, name: string): Matrix {
    const inner = this.#linear(x, `${name}.fc1`)
    return this.#linear({ ...inner, values: inner.values.map(gelu) }, `${name}.fc2`)
  }

  #linear(x: Matrix, name: string): Matrix {
    const weight = this.#weight(`${name}.weight`)
    const product = multiply(x, weight, weight.length / x.width)
    if (!this.#weights.tensors.has(`${name}.bias`)) return product
    const bias = this.#weight(`${name}.bias`)
    return { ...product, values: product.values.map((value, index) => value + bias[index % bias.length]!) }
  }

  #layerNorm(x: Matrix, name: string): Matrix {
    const [weight, bias] = [this.#weight(`${name}.weight`), this.#weight(`${name}.bias`)]
    const values = new Float64Array(x.values.length)
    for (let row = 0; row < x.rows; row++) {
      const line = x.values.subarray(row * x.width, (row + 1) * x.width)
      const mean = line.reduce((sum, value) => sum + value, 0) / x.width
      const variance = line.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.width
      line.forEach((value, i) => {
        values[row * x.width + i] = ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i]! + bias[i]!
      })
    }
    return { ...x, values }
  }

  #weight(name: string): Float64Array {
    const known = this.#values.get(name)
    if (known !== undefined) return known
    const location = this.#weights.tensors.get(name)
    if (location === undefined) throw new Error(`no tensor ${name}`)
    const values = numbersOf(location)
    this.#values.set(name, values)
    return values
  }
}

function numbersOf({ file, type, offset, length }: TensorLocation): Float64Array {
  const bytes = new DataView(new Uint8Array(readFileSync(file).subarray(offset, offset + length)).buffer)
  switch (type) {
    case 'F32':
      return Float64Array.from({ length: length / 4 }, (_, index) => bytes.getFloat32(4 * index, true))
    case 'F16':
      return Float64Array.from({ length: length / 2 }, (_, index) => bytes.getFloat16(2 * index, true))
    case 'BF16': {
      const wide = new DataView(new ArrayBuffer(4))
      return Float64Array.from({ length: length / 2 }, (_, index) => {
        wide.setUint16(2, bytes.getUint16(2 * index, true), true)
        return wide.getFloat32(0, true)
      })
    }
    case 'I8':
    case 'U8':
      throw new Error(`${type} tensors are not read as numbers`)
  }
}

function at({ width, values }: Matrix, row: number, column: number): number {
  return values[row * width + column]!
}

function matrix(rows: number, width: number, value: (row: number, column: number) => number): Matrix {
  const values = new Float64Array(rows * width)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) values[row * width + column] = value(row, column)
  }
  return { rows, width, values }
}

/** x·Wᵀ, with W as [outputs, inputs]. */
function multiply(x: Matrix, weight: Float64Array, outputs: number): Matrix {
  return matrix(x.rows, outputs, (row, output) => {
    let sum = 0
    for (let i = 0; i < x.width; i++) sum += x.values[row * x.width + i]! * weight[output * x.width + i]!
    return sum
  })
}

function add(one: Matrix, other: Matrix): Matrix {
  return { ...one, values: one.values.map((value, index) => value + other.values[index]!) }
}

/** x·Φ(x). */
function gelu(x: number): number {
  return (x / 2) * (1 + erf(x / Math.SQRT2))
}

/** The series of the error function near 0, its continued fraction away from it; both to the last digits of a double. */
function erf(x: number): number {
  const size = Math.abs(x)
  if (size > 6) return Math.sign(x)
  if (size < 2.5) {
    let term = x
    let sum = x
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n
      sum += term / (2 * n + 1)
    }
    return (2 / Math.sqrt(Math.PI)) * sum
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction)
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * (size + fraction)))
}
