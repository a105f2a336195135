import type { FileHandle } from 'node:fs/promises'
import type { ByteSink } from './receive.ts'

/** So much may wait for the disk; the system by itself would let gigabytes gather, and write them when the upload has ended. */
const STEP_BYTES = 16 * 2 ** 20

/** A file that is written to the disk while it is being received, so that making it durable at the end takes little. */
export class DurableFile implements ByteSink {
  readonly #file: FileHandle
  #waitingBytes = 0
  #syncing: Promise<void> = Promise.resolve()

  constructor(file: FileHandle) {
    this.#file = file
  }

  async write(chunk: Uint8Array, offset: number): Promise<{ readonly bytesWritten: number }> {
    const { bytesWritten } = await this.#file.write(chunk, offset)
    this.#waitingBytes += bytesWritten
    if (this.#waitingBytes >= STEP_BYTES) {
      this.#waitingBytes = 0
      await this.#syncing
      this.#syncing = this.#file.datasync()
      // Whoever waits for it next is told of its error.
      this.#syncing.catch(() => undefined)
    }
    return { bytesWritten }
  }

  /** Durable when it resolves. */
  async sync(): Promise<void> {
    await this.#syncing
    await this.#file.sync()
  }

  /** Nothing is written any more when it resolves, be it durable or not: then the file can be closed. */
  async settle(): Promise<void> {
    await this.#syncing.catch(() => undefined)
  }
}
