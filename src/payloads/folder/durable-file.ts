import type { ByteSink } from '../receive.ts'

/** Bytes from one `fdatasync` to the next: the page cache by itself would gather gigabytes, and write them when the upload has ended. */
const BYTES_PER_SYNC = 16 * 2 ** 20
/** Buffered of all files together, to be written by one `writev`: a network's chunks one by one take twice as long. */
const BUFFERED_BYTES = 4 * 2 ** 20

/** What this needs of a `FileHandle`. */
export interface WrittenFile {
  writev(chunks: Uint8Array[]): Promise<{ readonly bytesWritten: number }>
  datasync(): Promise<void>
  sync(): Promise<void>
}

/**
 * A file that is written to the disk while it is being received, so that making it durable at the end takes little. Writes are
 * asynchronous (write-behind); an error of one is thrown by the next call.
 */
export class DurableFile implements ByteSink {
  static #open = 0
  readonly #file: WrittenFile
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #isWriting = false
  #writing: Promise<void> = Promise.resolve()
  /** Resolves when what has gathered is being written, so that more can gather. */
  #taken = Promise.withResolvers<void>()
  #unsyncedBytes = 0
  #syncing: Promise<void> = Promise.resolve()

  constructor(file: WrittenFile) {
    this.#file = file
    DurableFile.#open += 1
  }

  async write(chunk: Uint8Array, offset: number): Promise<{ readonly bytesWritten: number }> {
    const taken = chunk.subarray(offset)
    this.#gathered.push(taken)
    this.#gatheredBytes += taken.length
    if (!this.#isWriting) {
      this.#isWriting = true
      this.#writing = this.#writing.then(() => this.#writeGathered())
      // Whoever waits for it next is told of its error.
      this.#writing.catch(() => undefined)
    }
    if (this.#gatheredBytes >= BUFFERED_BYTES / DurableFile.#open) await this.#taken.promise
    return { bytesWritten: taken.length }
  }

  /** Durable when it resolves. */
  async sync(): Promise<void> {
    await this.#writing
    await this.#syncing
    await this.#file.sync()
  }

  /** Ends the writing, to be called once. When it resolves, durable or not, nothing is written any more, and the file can be closed. */
  async settle(): Promise<void> {
    DurableFile.#open -= 1
    await this.#writing.catch(() => undefined)
    await this.#syncing.catch(() => undefined)
  }

  async #writeGathered(): Promise<void> {
    try {
      while (this.#gathered.length > 0) await this.#writeAll(this.#take())
      this.#isWriting = false
    } catch (error) {
      this.#taken.promise.catch(() => undefined)
      this.#taken.reject(error)
      throw error
    }
  }

  #take(): readonly Uint8Array[] {
    const chunks = this.#gathered
    this.#unsyncedBytes += this.#gatheredBytes
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#taken.resolve()
    this.#taken = Promise.withResolvers()
    return chunks
  }

  /** A disk that is nearly full takes less than it was given. Each step of the file is on its way to the disk while the next comes. */
  async #writeAll(chunks: readonly Uint8Array[]): Promise<void> {
    for (let left = chunks; left.length > 0;) {
      const { bytesWritten } = await this.#file.writev([...left])
      left = behind(left, bytesWritten)
    }
    if (this.#unsyncedBytes < BYTES_PER_SYNC) return
    this.#unsyncedBytes = 0
    await this.#syncing
    this.#syncing = this.#file.datasync()
    this.#syncing.catch(() => undefined)
  }
}

/** What follows the first so many bytes. */
function behind(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let from = 0
  for (const [index, chunk] of chunks.entries()) {
    if (bytes < from + chunk.length) return [chunk.subarray(bytes - from), ...chunks.slice(index + 1)]
    from += chunk.length
  }
  return []
}
