import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** What is looked at lies together, as the heads of boxes do. */
const BLOCK_BYTES = 4096

/** A file of which only a few bytes are looked at. */
export class FileBytes implements Disposable {
  readonly size: number
  readonly #handle: number
  #block: Buffer = Buffer.alloc(0)
  #blockAt = 0

  constructor(path: string) {
    this.#handle = openSync(path, 'r')
    this.size = fstatSync(this.#handle).size
  }

  /** What is there of `length` bytes; fewer, or none, at the end, and none where it begins before the file. */
  read(position: number, length: number): Buffer {
    if (position < 0) return Buffer.alloc(0)
    const wanted = Math.max(0, Math.min(length, this.size - position))
    if (wanted > BLOCK_BYTES) return this.#read(position, wanted)
    if (position < this.#blockAt || position + wanted > this.#blockAt + this.#block.length) {
      this.#block = this.#read(position, Math.max(0, Math.min(BLOCK_BYTES, this.size - position)))
      this.#blockAt = position
    }
    const at = position - this.#blockAt
    return this.#block.subarray(at, at + wanted)
  }

  #read(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(length)
    let count = 0
    while (count < bytes.length) {
      const read = readSync(this.#handle, bytes, count, bytes.length - count, position + count)
      if (read === 0) break
      count += read
    }
    return bytes.subarray(0, count)
  }

  /** A little-endian number; 0 where there is none. */
  uint32(position: number): number {
    const bytes = this.read(position, 4)
    return bytes.length < 4 ? 0 : bytes.readUInt32LE()
  }

  uint64(position: number): number {
    return this.uint32(position) + this.uint32(position + 4) * 2 ** 32
  }

  [Symbol.dispose](): void {
    closeSync(this.#handle)
  }
}
