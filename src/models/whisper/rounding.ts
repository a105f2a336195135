/** The nearest integer, the even one of two: Python's `round`, on which the reference's frames and seconds rest. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  if (value - floor !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}

/** Seconds to two decimals, as numpy rounds. */
export function roundToHundredths(seconds: number): number {
  return roundHalfEven(seconds * 100) / 100
}
