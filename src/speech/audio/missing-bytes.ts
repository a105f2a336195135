import type { FileBytes } from './file-bytes.ts'
import { boxAt } from './mp4-tables.ts'
import { riffFacts } from './riff.ts'
import { id3End } from './tags.ts'

/** What a container's own header proves to be missing at the file's end. */
export interface MissingBytes {
  readonly announced: number
  readonly present: number
}

/** Sizes that are written before the end is known may be a little off. */
const TOLERATED_SHARE = 0.01
const TOLERATED_BYTES = 1024
/** Of an MP4, outside all others. */
const TOP_BOXES: ReadonlySet<string> = new Set([
  ...['ftyp', 'styp', 'moov', 'moof', 'mdat', 'wide', 'free', 'skip', 'pnot', 'udta', 'meta', 'uuid', 'sidx', 'ssix'],
  ...['mfra', 'pdin', 'emsg', 'prft'],
])
/** A page of Ogg is at most so long. */
const MAX_OGG_PAGE_BYTES = 65_307

/**
 * Whether the file was cut off, by sizes in bytes alone: durations, sample counts and bit rates are often wrong in files that are
 * whole.
 */
export function missingBytes(file: FileBytes): MissingBytes | undefined {
  const end = announcedEnd(file)
  const isCut = end !== undefined && end - file.size > Math.max(TOLERATED_BYTES, TOLERATED_SHARE * end)
  return isCut ? { announced: end, present: file.size } : undefined
}

function announcedEnd(file: FileBytes): number | undefined {
  const head = file.read(0, 16)
  const magic = head.toString('latin1', 0, 4)
  if (magic === 'RIFF' || magic === 'RF64') return riffFacts(file)?.announcedEnd
  if (magic === 'FORM' && head.length >= 8) return head.readUInt32BE(4) + 8
  if (magic === 'OggS') return lastOggPageEnd(file)
  if (magic === '\x1A\x45\xDF\xA3') return segmentEnd(file)
  if (TOP_BOXES.has(head.toString('latin1', 4, 8))) return lastBoxEnd(file)
  return xingEnd(file)
}

/** What stands behind the boxes, as a tag or what a camera notes down, is none, whatever size could be read from it. */
function lastBoxEnd(file: FileBytes): number {
  let end = 0
  let box = boxAt(file, 0, file.size)
  for (; box !== undefined && TOP_BOXES.has(box.type); box = boxAt(file, box.end, file.size)) end = box.announcedEnd
  return end
}

/** Matroska: the end of its one Segment, whose size may be unknown. */
function segmentEnd(file: FileBytes): number | undefined {
  const start = file.read(0, 4096)
  const header = vint(start, 4)
  if (header === undefined || header.value === undefined) return undefined
  const at = header.next + header.value
  if (start.toString('latin1', at, at + 4) !== '\x18\x53\x80\x67') return undefined
  const size = vint(start, at + 4)
  return size?.value === undefined ? undefined : size.next + size.value
}

/** EBML's variable-length size; its value is undefined when it is unknown. */
function vint(bytes: Buffer, at: number): { readonly value: number | undefined; readonly next: number } | undefined {
  const first = bytes[at]
  if (first === undefined || first === 0) return undefined
  const length = Math.clz32(first) - 23
  if (at + length > bytes.length) return undefined
  const rest = bytes.subarray(at + 1, at + length)
  const high = first & (0xff >> length)
  const isUnknown = high === 0xff >> length && rest.every((byte) => byte === 0xff)
  const value = rest.reduce((sum, byte) => sum * 256 + byte, high)
  return { value: isUnknown ? undefined : value, next: at + length }
}

function lastOggPageEnd(file: FileBytes): number | undefined {
  const from = Math.max(0, file.size - 2 * MAX_OGG_PAGE_BYTES)
  const tail = file.read(from, 2 * MAX_OGG_PAGE_BYTES)
  const at = tail.lastIndexOf('OggS', tail.length, 'latin1')
  const segments = tail[at + 26]
  if (at === -1 || segments === undefined || at + 27 + segments > tail.length) return undefined
  const length = tail.subarray(at + 27, at + 27 + segments).reduce((sum, each) => sum + each, 27 + segments)
  return from + at + length
}

/** MP3: where the header that encoders write into the first frame says that the sound ends; an ID3 tag may lie before it. */
function xingEnd(file: FileBytes): number | undefined {
  const from = id3End(file, 0) ?? 0
  const bytes = file.read(from, 4096)
  const frame = bytes.findIndex((byte, at) => byte === 0xff && ((bytes[at + 1] ?? 0) & 0xe0) === 0xe0)
  // The marker stands at most 36 bytes into the frame.
  const marker = bytes.subarray(frame, frame + 64)
  const at = Math.max(marker.indexOf('Xing', 0, 'latin1'), marker.indexOf('Info', 0, 'latin1'))
  if (frame === -1 || at === -1 || at + 16 > marker.length) return undefined
  const flags = marker.readUInt32BE(at + 4)
  const [hasFrames, hasBytes] = [(flags & 1) !== 0, (flags & 2) !== 0]
  return hasBytes ? from + frame + marker.readUInt32BE(at + (hasFrames ? 12 : 8)) : undefined
}

/** Where tags begin that follow an MP3's sound (APEv2, ID3v1): FFmpeg tries to decode them. */
export function soundEnd(file: FileBytes): number {
  const id3 = file.read(file.size - 128, 3).toString('latin1') === 'TAG' ? 128 : 0
  const footer = file.read(file.size - id3 - 32, 32)
  if (footer.length < 32 || footer.toString('latin1', 0, 8) !== 'APETAGEX') return file.size - id3
  const hasHeader = (footer.readUInt32LE(20) & 0x8000_0000) !== 0
  return Math.max(0, file.size - id3 - footer.readUInt32LE(12) - (hasHeader ? 32 : 0))
}
