import { EngineError } from '../errors.ts'
import type { FileBytes } from './file-bytes.ts'

/** Boxes that hold boxes, as far as tables of samples can lie. */
const PARENTS: ReadonlySet<string> = new Set([
  ...['moov', 'trak', 'mdia', 'minf', 'stbl', 'moof', 'traf', 'edts', 'udta', 'dinf', 'wave', 'tref', 'mvex', 'tapt'],
])
/** Samples of one byte that a file may announce and not have: the index of so many takes a few megabytes. */
const MAX_ABSENT_SAMPLES = 1_000_000
/** A day in fragments of a second, as recorders write them against a loss of power, has a million; FFmpeg takes microseconds for each. */
const MAX_BOXES = 3_000_000
const MAX_DEPTH = 12

/**
 * FFmpeg takes memory for each sample that a table announces, and a table whose samples are all of one size announces any number of
 * them in a few bytes.
 * @throws EngineError `audio.damaged` when there are more samples than the file has bytes
 */
export function requirePlausibleTables(file: FileBytes): void {
  let boxes = 0
  // Of all tables together, since a file may have any number of them.
  let samplesLeft = file.size + MAX_ABSENT_SAMPLES
  const walk = (from: number, end: number, depth: number): void => {
    for (let box = boxAt(file, from, end); box !== undefined; box = boxAt(file, box.end, end)) {
      if (++boxes > MAX_BOXES || depth > MAX_DEPTH) throw implausible()
      if (PARENTS.has(box.type)) walk(box.content, box.end, depth + 1)
      samplesLeft -= samplesOf(file, box)
      if (samplesLeft < 0) throw implausible()
    }
  }
  walk(0, file.size, 0)
}

export interface Box {
  readonly type: string
  readonly content: number
  /** Where it says that it ends, which may be behind the file's end. */
  readonly announcedEnd: number
  readonly end: number
}

/** @returns undefined when no box begins there */
export function boxAt(file: FileBytes, at: number, end: number): Box | undefined {
  const header = file.read(at, 16)
  if (at + 8 > end || header.length < 8) return undefined
  const type = header.toString('latin1', 4, 8)
  const short = header.readUInt32BE(0)
  const isLong = short === 1 && header.length === 16
  const size = isLong ? Number(header.readBigUInt64BE(8)) : short === 0 ? end - at : short
  const content = at + (isLong ? 16 : 8)
  if (at + size < content) return undefined
  return { type, content, announcedEnd: at + size, end: Math.min(at + size, end) }
}

function samplesOf(file: FileBytes, { type, content }: Box): number {
  if (type !== 'stsz' && type !== 'stz2' && type !== 'trun') return 0
  const table = file.read(content, 12)
  if (type === 'trun') return table.length < 8 ? 0 : table.readUInt32BE(4)
  return table.length < 12 ? 0 : table.readUInt32BE(8)
}

function implausible(): EngineError {
  return new EngineError(
    'audio.damaged',
    'The file’s index announces more sound than a file of its size can hold: it is damaged.',
  )
}
