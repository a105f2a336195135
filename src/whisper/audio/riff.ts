import type { FileBytes } from './file-bytes.ts'

/** What a WAV's headers say, and what is really there. */
export interface RiffFacts {
  /** Whether what follows the announced data is sound as well: the header's size is too small, or wrapped at 4 GiB. */
  readonly hasMoreData: boolean
  /** The last byte that the header announces; undefined where it announces nothing that could be true. */
  readonly announcedEnd: number | undefined
  /** Where another WAV begins, when several were joined. */
  readonly next: number | undefined
}

/** Recorders that can't go back to the header leave 0, the largest sizes, or a round number. */
const UNKNOWN_SIZE = 0x7fff_0000
const ROUND_SIZES: ReadonlySet<number> = new Set([0, 2_000_000_000, 1_000_000_000])
/** What follows the data may be a bit of padding. */
const TOLERATED_SECONDS = 0.1
/** Programs write a handful. */
const MAX_CHUNKS = 10_000
/** ID of four characters and size. */
const CHUNK_HEADER_BYTES = 8

/** @returns undefined when it is no RIFF or RF64 with WAVE in it */
export function riffFacts(file: FileBytes, from = 0): RiffFacts | undefined {
  const head = file.read(from, 12)
  const form = head.toString('latin1', 0, 4)
  if (head.length < 12 || (form !== 'RIFF' && form !== 'RF64') || head.toString('latin1', 8) !== 'WAVE') return undefined
  let bytesPerSecond = 0
  let data64: number | undefined
  let at = from + 12
  for (let count = 0; count < MAX_CHUNKS; count++) {
    const { id, size } = chunkAt(file, at)
    if (id === undefined) break
    const content = at + CHUNK_HEADER_BYTES
    if (id === 'fmt ') bytesPerSecond = file.uint32(content + 8)
    if (id === 'ds64') data64 = file.uint64(content + 8)
    if (id === 'data') return dataFacts(file, content, data64 ?? size, bytesPerSecond)
    at = content + size + (size % 2)
  }
  return { hasMoreData: false, announcedEnd: undefined, next: undefined }
}

function dataFacts(file: FileBytes, content: number, size: number, bytesPerSecond: number): RiffFacts {
  const isUnknown = ROUND_SIZES.has(size) || (size >= UNKNOWN_SIZE && content + size > file.size)
  if (isUnknown) return { hasMoreData: false, announcedEnd: undefined, next: undefined }
  const dataEnd = content + size
  const rest = walk(file, dataEnd + (size % 2))
  const isLonger = file.size - dataEnd > Math.max(CHUNK_HEADER_BYTES, TOLERATED_SECONDS * bytesPerSecond)
  return { hasMoreData: rest === 'no chunks' && isLonger, announcedEnd: dataEnd, next: typeof rest === 'number' ? rest : undefined }
}

/** Goes through what follows the data. @returns where another RIFF begins, if one does */
function walk(file: FileBytes, from: number): number | 'chunks' | 'no chunks' {
  let at = from
  for (let count = 0; count < MAX_CHUNKS; count++) {
    if (at >= file.size) return 'chunks'
    const { id, size } = chunkAt(file, at)
    if (id === undefined) return 'no chunks'
    if (id === 'RIFF' || id === 'RF64') return at
    at += CHUNK_HEADER_BYTES + size + (size % 2)
    if (at > file.size + 1) return 'no chunks'
  }
  return 'no chunks'
}

function chunkAt(file: FileBytes, at: number): { readonly id: string | undefined; readonly size: number } {
  const header = file.read(at, CHUNK_HEADER_BYTES)
  const id = header.toString('latin1', 0, 4)
  if (header.length < CHUNK_HEADER_BYTES || !/^[\w ©]{4}$/.test(id)) return { id: undefined, size: 0 }
  return { id, size: header.readUInt32LE(4) }
}
