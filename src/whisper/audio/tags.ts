import type { Packet } from 'node-av/lib'
import type { FileBytes } from './file-bytes.ts'

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
  /** Of the tags that were come across last. */
  #end = 0

  /**
   * @param from where in the file its packets' positions count from
   * @param soundEnd where in the file the tags at its end begin
   */
  constructor(file: FileBytes, from: number, soundEnd: number) {
    this.#file = file
    this.#from = from
    this.soundEnd = soundEnd - from
  }

  /**
   * Whether a tag is in a packet, be it in part: FFmpeg finds frames in pictures too. For packets in their order.
   */
  isIn(packet: Packet): boolean {
    const at = this.#from + Number(packet.pos)
    if (at < this.#from) return false
    const isInside = at < this.#end
    if (at + packet.size <= this.#end) return true
    const found = this.#find(packet.data ?? Buffer.alloc(0), at, Math.max(at, this.#end))
    if (found !== undefined) this.#end = found
    return isInside || found !== undefined
  }

  /** Where the tags end that begin in these bytes, which lie at `at`, from `from` on. */
  #find(bytes: Buffer, at: number, from: number): number | undefined {
    const first = tagsEnd(this.#file, from)
    if (first !== undefined) return first
    for (const mark of ['ID3', 'APETAGEX']) {
      let place = bytes.indexOf(mark, from - at, 'latin1')
      for (; place !== -1; place = bytes.indexOf(mark, place + 1, 'latin1')) {
        const end = tagsEnd(this.#file, at + place)
        if (end !== undefined) return end
      }
    }
    return undefined
  }
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
