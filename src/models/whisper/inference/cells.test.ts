import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cells, maskOfRows } from './cells.ts'

const visible = (cells: Cells, sequence: number): number[] =>
  [...cells.maskOf(sequence)].flatMap((value, cell) => (value === 0 ? [cell] : []))

/** Steps of a search: new sequences by their parents, and the tokens that each then reads. */
const steps = fc.array(
  fc.record({
    parents: fc.array(fc.nat({ max: 100 }), { minLength: 1, maxLength: 4 }),
    t: fc.integer({ min: 1, max: 3 }),
  }),
  { maxLength: 12 },
)

test('each sequence sees what it and its ancestors have read, and no two tokens that are seen share a cell', () => {
  fc.assert(
    fc.property(steps, (search) => {
      const cells = new Cells(8)
      /** What lies in each cell; what each sequence has read. */
      const contents = new Map<number, string>()
      let sequences: string[][] = [[]]
      for (const [index, { parents, t }] of search.entries()) {
        const known = parents.map((parent) => parent % sequences.length)
        cells.rearrange(known)
        sequences = known.map((parent) => [...sequences[parent]!])
        let free = cells.free(known.length * t)
        while (free.length < known.length * t) {
          cells.grow(cells.capacity + 8)
          free = cells.free(known.length * t)
        }
        for (const [sequence, read] of sequences.entries()) {
          const mine = free.slice(sequence * t, (sequence + 1) * t)
          for (const [at, cell] of mine.entries()) {
            contents.set(cell, `${index}.${sequence}.${at}`)
            read.push(`${index}.${sequence}.${at}`)
          }
          cells.show(sequence, mine)
        }
        for (const [sequence, read] of sequences.entries()) {
          expect(new Set(visible(cells, sequence).map((cell) => contents.get(cell)))).toEqual(new Set(read))
        }
      }
    }),
  )
})

test('what no sequence sees any more is used again', () => {
  const cells = new Cells(4)
  cells.rearrange([0, 0])
  cells.show(0, [0])
  cells.show(1, [1])
  expect(cells.free(4)).toEqual([2, 3])
  cells.rearrange([1, 1])
  expect(cells.free(4)).toEqual([0, 2, 3])
  cells.clear()
  expect(cells.free(4)).toEqual([0, 1, 2, 3])
})

test('rows see what comes before them in their own sequence, and themselves', () => {
  const hidden = Number.NEGATIVE_INFINITY
  expect([...maskOfRows(2, 2)]).toEqual([
    ...[0, hidden, hidden, hidden],
    ...[0, 0, hidden, hidden],
    ...[hidden, hidden, 0, hidden],
    ...[hidden, hidden, 0, 0],
  ])
})
