import { randomUUID } from 'node:crypto'
import { open, rm, statfs } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, isDiskFull } from '../errors.ts'
import { SILENCE } from './log-mel.ts'
import type { LogMelValues } from './log-mel.ts'

export const BYTES_PER_VALUE = Float32Array.BYTES_PER_ELEMENT
/** Between two checks of the free space. */
const BYTES_PER_DISK_CHECK = 32 * 2 ** 20
/** Room on the disk that is left to everybody else, and the share of a small disk. */
const RESERVE_BYTES = 256 * 2 ** 20
const RESERVE_SHARE = 0.05

export interface Room {
  readonly freeBytes: number
  readonly totalBytes: number
}

async function roomIn(folder: string): Promise<Room> {
  const { bavail, blocks, bsize } = await statfs(folder)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

/** Frames of raw values in a file that only this process can reach, and that goes with it. */
export class Spool implements AsyncDisposable {
  readonly bands: number
  frames = 0
  /** Of all values so far and of the silence that follows them. */
  maximum = SILENCE
  readonly file: FileHandle
  readonly #room: () => Promise<Room>
  #bytes = 0
  #checkAt = BYTES_PER_DISK_CHECK

  private constructor(file: FileHandle, room: () => Promise<Room>, bands: number) {
    this.file = file
    this.#room = room
    this.bands = bands
  }

  /**
   * @param room what the folder's disk has
   * @throws EngineError `engine.disk_full`
   */
  static async create(folder: string, bands: number, room = () => roomIn(folder)): Promise<Spool> {
    const path = join(folder, `log-mel-${randomUUID()}`)
    const file = await open(path, 'wx+', 0o600).catch((cause: unknown) => {
      throw diskFull(cause) ?? cause
    })
    // Without its name it is gone at the latest when this process is, also by a kill -9.
    await rm(path, { force: true })
    return new Spool(file, room, bands)
  }

  /**
   * Blocks may come in any order, and at the same time.
   * @throws EngineError `engine.disk_full`, or `engine.spool_full` when it is this recording that fills the disk
   */
  async write({ values, maximum }: LogMelValues, firstFrame: number): Promise<void> {
    const ownBytes = this.#bytes
    this.#bytes += values.byteLength
    this.frames = Math.max(this.frames, firstFrame + values.length / this.bands)
    this.maximum = Math.max(this.maximum, maximum)
    if (this.#bytes >= this.#checkAt) {
      this.#checkAt += BYTES_PER_DISK_CHECK
      await this.#requireRoom(ownBytes)
    }
    const bytes = Buffer.from(values.buffer)
    const position = firstFrame * this.bands * BYTES_PER_VALUE
    try {
      for (let done = 0; done < bytes.length;) {
        done += (await this.file.write(bytes, done, bytes.length - done, position + done)).bytesWritten
      }
    } catch (cause) {
      throw isTooMuch(cause, ownBytes) ? tooLarge(cause) : (diskFull(cause) ?? cause)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close()
  }

  /** A recording that has taken much of the disk leaves the rest to others, for whom a full disk is an end. */
  async #requireRoom(ownBytes: number): Promise<void> {
    const { freeBytes, totalBytes } = await this.#room()
    const reserve = Math.min(RESERVE_BYTES, RESERVE_SHARE * totalBytes)
    if (freeBytes > reserve) return
    throw ownBytes >= reserve ? tooLarge() : new EngineError('engine.disk_full', 'The server’s disk is nearly full.')
  }
}

/** A file can't be written for many reasons, of which only this one passes when others make room. */
function diskFull(cause: unknown): EngineError | undefined {
  if (!isDiskFull(cause)) return undefined
  return new EngineError('engine.disk_full', 'The server’s disk is full.', { cause })
}

/** Whether the recording is to blame: by what it has of the disk, or since it takes a larger file than the process may write. */
function isTooMuch(cause: unknown, ownBytes: number): boolean {
  if (cause instanceof Error && 'code' in cause && cause.code === 'EFBIG') return true
  return isDiskFull(cause) && ownBytes >= RESERVE_BYTES
}

function tooLarge(cause?: unknown): EngineError {
  const message = 'The recording is so long that its features do not fit on the server’s disk.'
  return new EngineError('engine.spool_full', message, { cause })
}
