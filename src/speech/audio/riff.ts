import { EngineError } from '../errors.ts'
import type { FileBytes } from './file-bytes.ts'
import { rawFormatOf } from './raw-pcm.ts'
import type { RawFormat } from './raw-pcm.ts'

/** What a WAV's headers say, and what is really there. */
export interface RiffFacts {
  /** Where its sound begins in the file. */
  readonly dataAt: number
  /** Where its sound ends by its header; undefined where that says nothing that could be true. */
  readonly announcedEnd: number | undefined
  /**
   * What stands behind it: nothing that FFmpeg would not find; another WAV, at `next`; or more sound, since the size was too small, or
   * wrapped at 4 GiB.
   */
  readonly behind: 'as announced' | 'another WAV' | 'more sound'
  readonly next: number | undefined
  /** Undefined when it is compressed. */
  readonly raw: RawFormat | undefined
}

/** Recorders that can't go back to the header leave 0, the largest sizes, or a round number. */
const UNKNOWN_SIZE = 0x7fff_0000
const ROUND_SIZES: ReadonlySet<number> = new Set([0, 2_000_000_000, 1_000_000_000])
/** What follows the data may be a bit of padding. */
const TOLERATED_SECONDS = 0.1
/** Programs write a handful; FFmpeg goes through all of them, be they billions. */
const MAX_CHUNKS = 10_000
/** ID of four characters and size. */
const CHUNK_HEADER_BYTES = 8

/**
 * @param from where in the file it begins
 * @returns undefined when it is no RIFF or RF64 with WAVE in it, or has no sound
 * @throws EngineError `audio.damaged`
 */
export function riffFacts(file: FileBytes, from = 0): RiffFacts | undefined {
  const head = file.read(from, 12)
  const form = head.toString('latin1', 0, 4)
  if (head.length < 12 || (form !== 'RIFF' && form !== 'RF64') || head.toString('latin1', 8) !== 'WAVE')
    return undefined
  let raw: RawFormat | undefined
  let bytesPerSecond = 0
  let data64: number | undefined
  let at = from + 12
  for (let count = 0; count < MAX_CHUNKS; count++) {
    const chunk = chunkAt(file, at)
    if (chunk === undefined) return undefined
    const { id, size } = chunk
    const dataAt = at + CHUNK_HEADER_BYTES
    if (id === 'fmt ') {
      const format = file.read(dataAt, Math.min(size, 40))
      raw = rawFormatOf(format)
      bytesPerSecond = format.length < 12 ? 0 : format.readUInt32LE(8)
    }
    if (id === 'ds64') data64 = file.uint64(dataAt + 8)
    if (id === 'data') return { ...dataFacts(file, dataAt, data64 ?? size, bytesPerSecond), raw }
    at = dataAt + size + (size % 2)
  }
  throw new EngineError('audio.damaged', 'The WAV file is damaged: it has no sound in its first ten thousand chunks.')
}

function dataFacts(file: FileBytes, dataAt: number, size: number, bytesPerSecond: number): Omit<RiffFacts, 'raw'> {
  const isUnknown = ROUND_SIZES.has(size) || (size >= UNKNOWN_SIZE && dataAt + size > file.size)
  const rest = { dataAt, behind: 'as announced', next: undefined } as const
  if (isUnknown) return { ...rest, announcedEnd: undefined }
  const announcedEnd = dataAt + size
  const behind = walk(file, announcedEnd + (size % 2))
  if (typeof behind === 'number') return { dataAt, announcedEnd, behind: 'another WAV', next: behind }
  const isLonger = file.size - announcedEnd > Math.max(CHUNK_HEADER_BYTES, TOLERATED_SECONDS * bytesPerSecond)
  return { ...rest, announcedEnd, behind: behind === 'no chunks' && isLonger ? 'more sound' : 'as announced' }
}

/** Goes through what follows the data. @returns where another WAV begins, if one does */
function walk(file: FileBytes, from: number): number | 'chunks' | 'no chunks' {
  let at = from
  for (let count = 0; count < MAX_CHUNKS && at < file.size; count++) {
    const chunk = chunkAt(file, at)
    if (chunk === undefined || !/^[\w ©]{4}$/.test(chunk.id)) return 'no chunks'
    if (chunk.id === 'RIFF' || chunk.id === 'RF64') return at
    at += CHUNK_HEADER_BYTES + chunk.size + (chunk.size % 2)
  }
  return at >= file.size && at <= file.size + 1 ? 'chunks' : 'no chunks'
}

function chunkAt(file: FileBytes, at: number): { readonly id: string; readonly size: number } | undefined {
  const header = file.read(at, CHUNK_HEADER_BYTES)
  if (header.length < CHUNK_HEADER_BYTES) return undefined
  return { id: header.toString('latin1', 0, 4), size: header.readUInt32LE(4) }
}
