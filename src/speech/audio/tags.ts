import type { Packet } from 'node-av/lib'
import type { FileBytes } from './file-bytes.ts'

/** With what stands behind it, `FileBytes` keeps it: hostile files may have a tag every few bytes. */
const BLOCK_BYTES = 4000
/** ID3v1's three letters alone are too little: it is known behind other tags only, and FFmpeg knows it. */
const MARKS = ['ID3', 'APETAGEX'] as const
const MAX_MARK_BYTES = 8
/** Shorter ones do no harm, and a hostile file may be nothing else. */
const MIN_TAG_BYTES = 32
const ID3_HEAD_BYTES = 10
const APE_HEAD_BYTES = 32
const ID3V1_BYTES = 128
const [HAS_EXTENDED_HEADER, HAS_FOOTER] = [0x40, 0x10]
const IS_HEADER = 0x2000_0000

/** What stands before, behind and between the sounds of a file of frames alone, and is neither sound nor damage. */
export class FileTags {
  /** Where the tags at the end of the file begin, counted as packets' positions are. */
  readonly soundEnd: number
  readonly #file: FileBytes
  readonly #from: number
  /** Of the tags that were found last, one behind the other. */
  #begin: number
  #end: number
  /** How far the file was searched. */
  #searched: number

  /**
   * @param from where in the file its packets' positions count from
   * @param soundEnd where in the file the tags at its end begin
   */
  constructor(file: FileBytes, from: number, soundEnd: number) {
    this.#file = file
    this.#from = from
    this.#begin = this.#end = this.#searched = from
    this.soundEnd = soundEnd - from
  }

  /** Whether a tag is in a packet, be it in part: FFmpeg finds frames in pictures too. For packets in their order. */
  isIn({ pos, size }: Packet): boolean {
    const begin = this.#from + Number(pos)
    const end = begin + size
    if (begin < this.#from) return false
    while (this.#end <= begin) if (!this.#search(end)) return false
    return this.#begin < end
  }

  /**
   * Looks for the next tags in the file, which is faster than in the packets: node-av copies those.
   * @returns whether there are some, of those that begin before `until`
   */
  #search(until: number): boolean {
    for (; this.#searched < until && this.#searched < this.#file.size; this.#searched += BLOCK_BYTES) {
      const begins = tagsIn(this.#file, this.#searched)
      if (begins.length === 0) continue
      this.#begin = Math.min(...begins)
      this.#searched = this.#end = tagsEnd(this.#file, this.#begin) ?? this.#begin + 1
      return true
    }
    return false
  }
}

/** Where tags begin in a block of the file: the first of each kind. */
function tagsIn(file: FileBytes, from: number): readonly number[] {
  const bytes = file.read(from, BLOCK_BYTES + MAX_MARK_BYTES - 1)
  return MARKS.flatMap((mark) => {
    for (let at = bytes.indexOf(mark, 0, 'latin1'); at !== -1; at = bytes.indexOf(mark, at + 1, 'latin1')) {
      if ((tagEnd(file, from + at) ?? 0) - from - at >= MIN_TAG_BYTES) return [from + at]
    }
    return []
  })
}

/** Where the tags end, one behind the other, of which the first begins here; undefined where none does. */
function tagsEnd(file: FileBytes, at: number): number | undefined {
  let end: number | undefined
  for (let next = tagEnd(file, at); next !== undefined; next = tagEnd(file, next)) end = next
  return end
}

function tagEnd(file: FileBytes, at: number): number | undefined {
  const mark = file.read(at, 8).toString('latin1')
  if (mark.startsWith('ID3')) return id3End(file, at)
  if (mark === 'APETAGEX') return apeEnd(file, at)
  return mark.startsWith('TAG') && at + ID3V1_BYTES <= file.size ? at + ID3V1_BYTES : undefined
}

/** Where an ID3v2 tag ends that begins here. Sound may hold the same three letters: all that can be checked is. */
export function id3End(file: FileBytes, at: number): number | undefined {
  const head = file.read(at, ID3_HEAD_BYTES + 4)
  if (head.length < ID3_HEAD_BYTES || head.toString('latin1', 0, 3) !== 'ID3') return undefined
  const [version = 0, revision, flags = 0, ...size] = head.subarray(3, ID3_HEAD_BYTES)
  const isHead = version >= 2 && version <= 4 && revision === 0 && (flags & 0x0f) === 0
  if (!isHead || size.some((byte) => byte > 0x7f)) return undefined
  const bytes = size.reduce((sum, byte) => (sum << 7) | byte, 0)
  const hasFrame = /^(?:[A-Z0-9]{3}|\0{3})/.test(head.toString('latin1', ID3_HEAD_BYTES))
  if (bytes > 0 && !hasFrame && (flags & HAS_EXTENDED_HEADER) === 0) return undefined
  const end = at + ID3_HEAD_BYTES + bytes + ((flags & HAS_FOOTER) === 0 ? 0 : ID3_HEAD_BYTES)
  return end <= file.size ? end : undefined
}

/** Where an APE tag ends whose header, or footer alone, is here; its size leaves the header out. */
function apeEnd(file: FileBytes, at: number): number | undefined {
  const head = file.read(at, APE_HEAD_BYTES)
  if (head.length < APE_HEAD_BYTES) return undefined
  const isHeader = (head.readUInt32LE(20) & IS_HEADER) !== 0
  const end = at + APE_HEAD_BYTES + (isHeader ? head.readUInt32LE(12) : 0)
  return end <= file.size ? end : undefined
}
