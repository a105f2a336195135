import { Lies, be, le } from './lies.ts'

const MAX_CHANGES = 8
/** What a header has is near the beginning: half of the changes go there. */
const HEADER_BYTES = 512
const MAX_STRETCH_BYTES = 4096

/** A copy with a few small damages: bits turned, numbers put in, stretches cut out, doubled, overwritten or moved, an end missing. */
export function mutate(random: () => number, bytes: Buffer): Buffer {
  const lies = new Lies(random)
  let changed: Buffer = Buffer.from(bytes)
  for (let left = 1 + lies.below(MAX_CHANGES); left > 0 && changed.length > 0; left--) {
    changed = lies.pick(CHANGES)(lies, changed)
  }
  return changed
}

type Change = (lies: Lies, bytes: Buffer) => Buffer

const place = (lies: Lies, { length }: Buffer): number =>
  lies.below(lies.chance(0.5) ? Math.min(length, HEADER_BYTES) : length)

function stretch(lies: Lies, bytes: Buffer): readonly [number, number] {
  const start = place(lies, bytes)
  return [start, Math.min(bytes.length, start + 1 + lies.below(lies.pick([4, 64, MAX_STRETCH_BYTES])))]
}

const turnBit: Change = (lies, bytes) => {
  const at = place(lies, bytes)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << lies.below(8))
  return bytes
}

const putNumber: Change = (lies, bytes) => {
  const bits = lies.pick([8, 16, 32, 64])
  const inOrder = lies.chance(0.5) ? be : le
  inOrder(bits / 8, lies.edge(bits)).copy(bytes, place(lies, bytes))
  return bytes
}

const cutOut: Change = (lies, bytes) => {
  const [start, end] = stretch(lies, bytes)
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
}

const double: Change = (lies, bytes) => {
  const [start, end] = stretch(lies, bytes)
  const times = lies.pick([1, 2, 50])
  const copies = Array.from({ length: times }, () => bytes.subarray(start, end))
  return Buffer.concat([bytes.subarray(0, end), ...copies, bytes.subarray(end)])
}

const overwrite: Change = (lies, bytes) => {
  const [start, end] = stretch(lies, bytes)
  return bytes.fill(lies.pick([0, 0xff, 0x7f, lies.below(256)]), start, end)
}

const move: Change = (lies, bytes) => {
  const [start, end] = stretch(lies, bytes)
  Buffer.from(bytes.subarray(start, end)).copy(bytes, place(lies, bytes))
  return bytes
}

const truncate: Change = (lies, bytes) => bytes.subarray(0, 1 + lies.below(bytes.length))

const CHANGES: readonly Change[] = [
  turnBit,
  turnBit,
  turnBit,
  putNumber,
  putNumber,
  cutOut,
  double,
  overwrite,
  move,
  truncate,
]
