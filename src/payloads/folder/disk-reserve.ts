import { statfs } from 'node:fs/promises'
import { PayloadError } from '../errors.ts'
import { available } from './file-errors.ts'
import type { ByteSink } from '../receive.ts'
import type { PayloadKey } from '../payload-key.ts'

export interface DiskReserveOptions {
  /** Default: `DEFAULT_RESERVE_BYTES`, or `DEFAULT_RESERVE_SHARE` of the disk where that is less. */
  readonly reserveBytes?: number
}

const DEFAULT_RESERVE_BYTES = 512 * 2 ** 20
const DEFAULT_RESERVE_SHARE = 1 / 20
/** The free space is read again after so much of a body. */
const BYTES_BETWEEN_CHECKS = 64 * 2 ** 20

/** Only these leave room for the others: results, which end what takes room, and the database beside them. */
export function isRecording(key: PayloadKey): boolean {
  return key.startsWith('uploads/')
}

export interface Room {
  readonly freeBytes: number
  readonly totalBytes: number
}

async function roomIn(folder: string): Promise<Room> {
  const { bavail, blocks, bsize } = await available(() => statfs(folder))
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

/** The room on a disk that uploads leave free: a full one would refuse everybody's jobs, not only the upload that filled it. */
export class DiskReserve {
  readonly #folder: string
  readonly #reserveBytes: number | undefined
  readonly #roomIn: (folder: string) => Promise<Room>

  constructor(folder: string, { reserveBytes }: DiskReserveOptions = {}, room = roomIn) {
    this.#folder = folder
    this.#reserveBytes = reserveBytes
    this.#roomIn = room
  }

  /** @throws PayloadError `payload.unavailable` when so many more bytes would not leave it */
  async check(bytes = 0): Promise<void> {
    const { freeBytes, totalBytes } = await this.#roomIn(this.#folder)
    const reserve = this.#reserveBytes ?? Math.min(DEFAULT_RESERVE_BYTES, totalBytes * DEFAULT_RESERVE_SHARE)
    if (freeBytes - bytes >= reserve) return
    throw new PayloadError(
      'payload.unavailable',
      `The payload store failed: its disk is nearly full, with ${mebibytes(freeBytes)} MiB left, of which ` +
        `${mebibytes(reserve)} MiB stay free. Make room on it, or submit what was uploaded and remove what has finished.`,
    )
  }

  /** To be told of the bytes that are about to be written; checks the reserve now and then. */
  meter(): (bytes: number) => Promise<void> {
    let unchecked = 0
    return async (bytes) => {
      unchecked += bytes
      if (unchecked < BYTES_BETWEEN_CHECKS) return
      unchecked = 0
      await this.check()
    }
  }

  /** The sink, guarded: its writes fail once the reserve is reached. */
  watched(sink: ByteSink): ByteSink {
    const meter = this.meter()
    return {
      write: async (chunk, offset) => {
        await meter(chunk.length - offset)
        return await sink.write(chunk, offset)
      },
    }
  }
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / 2 ** 20)
}
