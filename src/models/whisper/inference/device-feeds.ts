import { Tensor } from 'onnxruntime-node'
import { VISIBLE } from './cells.ts'
import { HIDDEN } from './device-cells.ts'
import type { DeviceSlot } from './device-slot.ts'
import type { Reading } from './reading.ts'

/** A reading, and the cells that keep its rows. */
export interface PlacedReading extends Reading<DeviceSlot> {
  readonly cells: readonly number[]
}

export type Feeds = Record<string, Tensor>

/**
 * Which rows there are, where the attention finds them, which cells they see and which ones keep them.
 * @param shape.slots that the attention goes through, each with so many `places` for its rows
 * @param shape.cells of each slot
 */
export function rowFeeds(
  batch: readonly PlacedReading[],
  shape: {
    readonly slots: number
    readonly places: number
    readonly cells: number
    readonly heads: number
    readonly headWidth: number
  },
): Feeds {
  const { slots: w, places: n, cells: capacity, heads, headWidth } = shape
  const placeRows = new Int32Array(w * n)
  const rowPlaces: number[] = []
  const positions: number[] = []
  const cells: bigint[] = []
  const mask = new Float32Array(w * n * capacity).fill(HIDDEN)
  for (const { slot, tokens, sequences, cells: own } of batch) {
    const t = tokens.length / sequences
    for (const [row, cell] of own.entries()) {
      const place = slot.index * n + row
      const sequence = Math.floor(row / t)
      const seen = mask.subarray(place * capacity, (place + 1) * capacity)
      seen.set(slot.cells.maskOf(sequence))
      for (const earlier of own.slice(sequence * t, row + 1)) seen[earlier] = VISIBLE
      placeRows[place] = rowPlaces.length
      rowPlaces.push(place)
      positions.push(slot.length + (row % t))
      for (let head = 0; head < heads; head++) cells.push(BigInt(slot.index), BigInt(head), BigInt(cell))
    }
  }
  return {
    tokens: int32(batch.flatMap(({ tokens }) => tokens)),
    positions: int32(positions),
    place_rows: new Tensor('int32', placeRows, [w * n]),
    row_places: int32(rowPlaces),
    places: int64([w, n, heads, headWidth]),
    cells: new Tensor('int64', BigInt64Array.from(cells), [rowPlaces.length, heads, 3]),
    mask_cells: new Tensor('float32', mask, [w, 1, n, capacity]),
  }
}

export function int32(values: readonly number[]): Tensor {
  return new Tensor('int32', Int32Array.from(values), [values.length])
}

export function int64(values: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), [values.length])
}
