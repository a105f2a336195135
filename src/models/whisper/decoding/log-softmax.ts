/** log Σ exp(logits), over [begin, end); −∞ when all of them are. */
export function logSumExp(logits: Float32Array, begin: number, end: number): number {
  const highest = maximum(logits, begin, end)
  if (highest === Number.NEGATIVE_INFINITY) return highest
  let sum = 0
  for (let i = begin; i < end; i++) sum += Math.exp(logits[i]! - highest)
  return highest + Math.log(sum)
}

/** The highest logit of [begin, end). */
export function maximum(logits: Float32Array, begin: number, end: number): number {
  let highest = Number.NEGATIVE_INFINITY
  for (let i = begin; i < end; i++) if (logits[i]! > highest) highest = logits[i]!
  return highest
}
