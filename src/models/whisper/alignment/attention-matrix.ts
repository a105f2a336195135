import { medianFilter } from './median-filter.ts'

/**
 * How much each token looks at each frame: the alignment heads' attention, made comparable between tokens and smoothed over time,
 * then averaged over the heads (the reference's `find_alignment`).
 * @param heads scores before the softmax, each [tokens, stride], row-major
 * @param shape.frames frames of content, the first ones of each row
 * @param shape.from first token whose row is wanted; `to`: the one behind the last
 * @returns [to − from, frames], row-major
 */
export function attentionMatrix(
  heads: readonly Float32Array[],
  shape: {
    readonly tokens: number
    readonly stride: number
    readonly frames: number
    readonly from: number
    readonly to: number
  },
): Float64Array {
  const { tokens, stride, frames, from, to } = shape
  const matrix = new Float64Array((to - from) * frames)
  const weights = new Float32Array(tokens * frames)
  for (const scores of heads) {
    for (let token = 0; token < tokens; token++) {
      softmax(scores.subarray(token * stride, token * stride + frames), weights.subarray(token * frames))
    }
    standardiseColumns(weights, tokens, frames)
    for (let token = from; token < to; token++) {
      const row = weights.subarray(token * frames, (token + 1) * frames)
      medianFilter(row)
      const at = (token - from) * frames
      for (let frame = 0; frame < frames; frame++) matrix[at + frame]! += row[frame]! / heads.length
    }
  }
  return matrix
}

function softmax(scores: Float32Array, into: Float32Array): void {
  let highest = Number.NEGATIVE_INFINITY
  for (const score of scores) if (score > highest) highest = score
  let total = 0
  for (let i = 0; i < scores.length; i++) total += into[i] = Math.fround(Math.exp(Math.fround(scores[i]! - highest)))
  for (let i = 0; i < scores.length; i++) into[i]! /= total
}

/** To the mean 0 and the deviation 1 over the tokens, frame by frame; where all look alike, to 0. */
function standardiseColumns(values: Float32Array, rows: number, columns: number): void {
  for (let column = 0; column < columns; column++) {
    let sum = 0
    for (let at = column; at < values.length; at += columns) sum += values[at]!
    const mean = Math.fround(sum / rows)
    let squares = 0
    for (let at = column; at < values.length; at += columns) squares += (values[at]! - mean) ** 2
    const deviation = Math.fround(Math.sqrt(squares / rows))
    for (let at = column; at < values.length; at += columns) {
      values[at] = deviation === 0 ? 0 : Math.fround(values[at]! - mean) / deviation
    }
  }
}
