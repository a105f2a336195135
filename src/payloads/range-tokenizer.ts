import { AbstractTokenizer, EndOfStreamError } from 'strtok3'
import type { IRandomAccessFileInfo, IReadChunkOptions } from 'strtok3'

/** Reads a stretch of an object; shorter at its end. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>

/** What is read at a time: more than the headers of most files. */
const BLOCK_BYTES = 2 ** 16
/** A file whose headers are longer than this does not say its length where it could be found in time. */
const MAX_BYTES = 2 ** 22

/** A stored object as the parser of media files sees it: read where the parser looks, in blocks, and not for ever. */
export class RangeTokenizer extends AbstractTokenizer {
  override readonly fileInfo: IRandomAccessFileInfo
  readonly #readRange: ReadRange
  #block: Uint8Array = new Uint8Array(0)
  #blockStart = 0
  #readBytes = 0

  constructor(fileInfo: IRandomAccessFileInfo, readRange: ReadRange) {
    super({ fileInfo })
    this.fileInfo = fileInfo
    this.#readRange = readRange
  }

  override supportsRandomAccess(): boolean {
    return true
  }

  setPosition(position: number): void {
    this.position = position
  }

  override async readBuffer(target: Uint8Array, options: IReadChunkOptions = {}): Promise<number> {
    if (options.position !== undefined) this.position = options.position
    const bytes = await this.peekBuffer(target, options)
    this.position += bytes
    return bytes
  }

  override async peekBuffer(target: Uint8Array, options: IReadChunkOptions = {}): Promise<number> {
    const { length = target.length, position = this.position, mayBeLess = false } = options
    let copied = 0
    while (copied < length) {
      const bytes = await this.#at(position + copied)
      if (bytes.length === 0) break
      target.set(bytes.subarray(0, length - copied), copied)
      copied += Math.min(bytes.length, length - copied)
    }
    if (copied < length && !mayBeLess) throw new EndOfStreamError()
    return copied
  }

  /** What there is from this position on, at least one byte before the end. */
  async #at(position: number): Promise<Uint8Array> {
    const offset = position - this.#blockStart
    if (offset >= 0 && offset < this.#block.length) return this.#block.subarray(offset)
    if (position >= this.fileInfo.size) return new Uint8Array(0)
    if (this.#readBytes >= MAX_BYTES) throw new RangeError('the headers of the file are too long')
    this.#block = await this.#readRange(position, Math.min(position + BLOCK_BYTES, this.fileInfo.size))
    this.#blockStart = position
    this.#readBytes += this.#block.length
    return this.#block
  }
}
