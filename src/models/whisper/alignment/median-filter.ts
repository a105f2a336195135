/** Frames that the reference's filter looks at. */
const WIDTH = 7
const RADIUS = 3

/**
 * Replaces each value by the median of the seven around it; at the ends the row is reflected. Rows of three and fewer stay as they
 * are, as in the reference.
 * @param row changed in place
 */
export function medianFilter(row: Float32Array): void {
  const { length } = row
  if (length <= RADIUS) return
  const original = row.slice()
  const reflected = (index: number): number => {
    if (index < 0) return original[-index]!
    return index < length ? original[index]! : original[2 * (length - 1) - index]!
  }
  const sorted = new Float32Array(WIDTH)
  for (let offset = -RADIUS; offset <= RADIUS; offset++) sorted[offset + RADIUS] = reflected(offset)
  sorted.sort()
  row[0] = sorted[RADIUS]!
  for (let center = 1; center < length; center++) {
    replace(sorted, reflected(center - RADIUS - 1), reflected(center + RADIUS))
    row[center] = sorted[RADIUS]!
  }
}

/** Takes a value out of a sorted list and puts another one in, in its place. */
function replace(sorted: Float32Array, leaving: number, entering: number): void {
  let at = 0
  while (at < sorted.length - 1 && sorted[at] !== leaving) at += 1
  while (at + 1 < sorted.length && sorted[at + 1]! < entering) {
    sorted[at] = sorted[at + 1]!
    at += 1
  }
  while (at > 0 && sorted[at - 1]! > entering) {
    sorted[at] = sorted[at - 1]!
    at -= 1
  }
  sorted[at] = entering
}
