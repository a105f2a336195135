const DIAGONAL = 0
const UP = 1
const LEFT = 2

/**
 * The cheapest monotonic path through a matrix of costs, from its first corner to its last (H. Sakoe and S. Chiba, 1978). Ties are
 * broken as the reference does, whose sums are float64 too (Numba widens them).
 * @param costs [rows, columns], row-major
 * @returns for each row, the first column that the path takes in it
 */
export function dynamicTimeWarping(costs: Float64Array, rows: number, columns: number): readonly number[] {
  const width = columns + 1
  const trace = new Uint8Array((rows + 1) * width)
  let above = new Float64Array(width).fill(Number.POSITIVE_INFINITY)
  above[0] = 0
  for (let row = 1; row <= rows; row++) {
    const current = new Float64Array(width).fill(Number.POSITIVE_INFINITY)
    for (let column = 1; column <= columns; column++) {
      const diagonal = above[column - 1]!
      const up = above[column]!
      const left = current[column - 1]!
      const step = diagonal < up && diagonal < left ? DIAGONAL : up < diagonal && up < left ? UP : LEFT
      const sum = step === DIAGONAL ? diagonal : step === UP ? up : left
      current[column] = costs[(row - 1) * columns + column - 1]! + sum
      trace[row * width + column] = step
    }
    above = current
  }
  return firstColumns(trace, rows, columns)
}

/** Follows the steps back from the last corner. */
function firstColumns(trace: Uint8Array, rows: number, columns: number): readonly number[] {
  const first = Array<number>(rows).fill(0)
  let row = rows
  let column = columns
  while (row > 0 || column > 0) {
    if (row > 0) first[row - 1] = Math.max(0, column - 1)
    const step = row === 0 ? LEFT : column === 0 ? UP : trace[row * (columns + 1) + column]
    if (step !== LEFT) row -= 1
    if (step !== UP) column -= 1
  }
  return first
}
