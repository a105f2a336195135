import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** A file of which only a few bytes are looked at. */
export class FileBytes implements Disposable {
  readonly size: number
  readonly #handle: number

  constructor(path: string) {
    this.#handle = openSync(path, 'r')
    this.size = fstatSync(this.#handle).size
  }

  /** What is there of `length` bytes; fewer, or none, at the end, and none where it begins before the file. */
  read(position: number, length: number): Buffer {
    if (position < 0) return Buffer.alloc(0)
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.size - position)))
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
