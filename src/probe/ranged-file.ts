import { AVSEEK_CUR, AVSEEK_END, AVSEEK_SIZE } from 'node-av/constants'
import { BLOCK_BYTES, MAX_BLOCK_BYTES, MAX_READ_BYTES } from './probe-protocol.ts'

/** FFmpeg's numbers of errors: those of the system, negative. */
const INPUT_ERROR = -5
const INVALID = -22
/** A flag that goes with the way to seek. */
const FORCE = 0x2_0000

const TAG_HEAD_BYTES = 10
/** Tags one behind the other; more are left to FFmpeg. */
const MAX_TAGS = 8

/** Undefined: it can't be read. */
export type ReadBlock = (start: number, end: number) => Promise<Uint8Array | undefined>

/**
 * A file as FFmpeg reads it, by ranges: what is read goes on where the last block ended, or begins anew where it was sought. ID3 tags at
 * its beginning are passed over: they may hold pictures of many megabytes, all of which FFmpeg would read first.
 */
export class RangedFile {
  readonly #bytes: number
  readonly #readBlock: ReadBlock
  #start = 0
  #position = 0
  #block: Uint8Array = new Uint8Array(0)
  #blockStart = -1
  #nextBytes = BLOCK_BYTES
  #readBytes = 0

  constructor(bytes: number, readBlock: ReadBlock) {
    this.#bytes = bytes
    this.#readBlock = readBlock
  }

  /** Passes over what stands before the sound. */
  async skipTags(): Promise<void> {
    for (let left = MAX_TAGS; left > 0; left--) {
      const size = tagBytes(await this.#at(this.#position))
      if (size === undefined || this.#position + size >= this.#bytes) break
      this.#position += size
    }
    this.#start = this.#position
  }

  /** FFmpeg's callback: some bytes, null at the end, or the number of an error. */
  readonly read = async (most: number): Promise<Buffer | null | number> => {
    const bytes = await this.#at(this.#position)
    if (bytes === undefined) return INPUT_ERROR
    if (bytes.length === 0) return null
    const part = bytes.subarray(0, most)
    this.#position += part.length
    return Buffer.from(part.buffer, part.byteOffset, part.length)
  }

  /** FFmpeg's callback: the new place, or the size. */
  readonly seek = (offset: bigint, whence: number): bigint => {
    const size = this.#bytes - this.#start
    const how = whence & ~FORCE
    if (how === AVSEEK_SIZE) return BigInt(size)
    const from = how === AVSEEK_CUR ? this.#position - this.#start : how === AVSEEK_END ? size : 0
    const place = Number(offset) + from
    if (!Number.isSafeInteger(place) || place < 0) return BigInt(INVALID)
    this.#position = this.#start + place
    return BigInt(place)
  }

  /** What there is from this position on: at least one byte before the end. Undefined: it can't be read, or enough was. */
  async #at(position: number): Promise<Uint8Array | undefined> {
    const offset = position - this.#blockStart
    if (offset >= 0 && offset < this.#block.length) return this.#block.subarray(offset)
    if (position >= this.#bytes) return new Uint8Array(0)
    if (this.#readBytes >= MAX_READ_BYTES) return undefined
    const goesOn = offset === this.#block.length
    this.#nextBytes = goesOn ? Math.min(this.#nextBytes * 2, MAX_BLOCK_BYTES) : BLOCK_BYTES
    const block = await this.#readBlock(position, Math.min(position + this.#nextBytes, this.#bytes))
    if (block === undefined) return undefined
    this.#block = block
    this.#blockStart = position
    this.#readBytes += block.length
    return block
  }
}

/** How long an ID3v2 tag is that begins here; undefined where none does. Its size has seven bits a byte. */
function tagBytes(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined || bytes.length < TAG_HEAD_BYTES) return undefined
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, TAG_HEAD_BYTES)
  const size = [...head.subarray(6)]
  if (head.toString('latin1', 0, 3) !== 'ID3' || size.some((byte) => byte > 0x7f)) return undefined
  const footer = ((head[5] ?? 0) & 0x10) === 0 ? 0 : TAG_HEAD_BYTES
  return TAG_HEAD_BYTES + footer + size.reduce((sum, byte) => (sum << 7) | byte, 0)
}
