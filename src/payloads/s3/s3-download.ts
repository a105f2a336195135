import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { PayloadError } from '../errors.ts'
import { meaningOf } from '../folder/file-errors.ts'
import type { PayloadKey } from '../payload-key.ts'
import { receive } from '../receive.ts'
import type { ByteSink } from '../receive.ts'
import type { S3Bucket } from './s3-bucket.ts'
import { causeIs, translated } from './s3-errors.ts'
import { getObject } from './s3-object.ts'
import type { S3Answer } from './s3-object.ts'
import type { LocalPayload } from '../payload-store.ts'

/** In a row, of a download that gets no further; each request has retries of its own. */
const MAX_FAILURES = 3

export interface Wanted {
  readonly key: PayloadKey
  /** ETag that it must have; null: any. */
  readonly version: string | null
}

/**
 * Copies an object into a folder, for as long as the copy is not disposed. A download that breaks off goes on from where it was.
 * @throws PayloadError `payload.missing`; `payload.replaced`; `payload.unavailable`, also when the folder's disk is full
 */
export async function download(
  bucket: S3Bucket,
  wanted: Wanted,
  folder: string,
  signal?: AbortSignal,
): Promise<LocalPayload> {
  // What comes after the last dot may tell a reader what it is.
  const path = join(folder, `${randomUUID()}${extname(wanted.key)}`)
  const dispose = (): Promise<void> => rm(path, { force: true })
  try {
    const file = await local(() => open(path, 'wx', 0o600))
    try {
      await new Download(bucket, wanted, file, signal).run()
    } finally {
      await local(() => file.close())
    }
  } catch (error) {
    await dispose().catch(() => undefined)
    throw error
  }
  return { path, [Symbol.asyncDispose]: dispose }
}

class Download {
  readonly #bucket: S3Bucket
  readonly #wanted: Wanted
  readonly #file: FileHandle
  readonly #signal: AbortSignal | undefined
  /** Bytes that are in the file. */
  #offset = 0
  /** Of the object that they are from. */
  #etag: string | undefined
  #bytes: number | undefined

  constructor(bucket: S3Bucket, wanted: Wanted, file: FileHandle, signal: AbortSignal | undefined) {
    this.#bucket = bucket
    this.#wanted = wanted
    this.#file = file
    this.#signal = signal
  }

  async run(): Promise<void> {
    let failures = 0
    while (this.#offset !== this.#bytes) {
      const before = this.#offset
      const error = await this.#goOn()
      failures = this.#offset > before ? 0 : failures + 1
      if (failures === MAX_FAILURES) throw translated(error ?? new Error('the object ends before its end'))
    }
  }

  /** Says why the object broke off, if it did. */
  async #goOn(): Promise<unknown> {
    const { body, bytes, etag } = await this.#request()
    this.#etag = etag
    this.#bytes ??= bytes
    const signal = this.#signal
    try {
      await receive(body, this.#sink(), signal === undefined ? {} : { signal })
      this.#bytes ??= this.#offset
    } catch (error) {
      if (error instanceof PayloadError && error.code === 'payload.interrupted') return error.cause
      throw error
    } finally {
      body.destroy()
    }
    return undefined
  }

  /** The rest of the object; all of it when it is another one by now, or the server knows no ranges. */
  async #request(): Promise<S3Answer> {
    if (this.#offset > 0 && this.#etag !== undefined) {
      const asked = { Range: `bytes=${this.#offset}-`, IfMatch: this.#etag }
      const rest = await getObject(this.#bucket, this.#wanted.key, asked, this.#signal).catch(changed)
      if (rest?.range?.startsWith(`bytes ${this.#offset}-`) === true) return rest
      rest?.body.destroy()
      await local(() => this.#file.truncate(0))
      this.#offset = 0
      this.#bytes = undefined
    }
    const { key, version } = this.#wanted
    try {
      return await getObject(this.#bucket, key, version === null ? {} : { IfMatch: version }, this.#signal)
    } catch (error) {
      throw causeIs(error, 'PreconditionFailed') ? replaced(error) : error
    }
  }

  #sink(): ByteSink {
    return {
      write: async (chunk, at) => {
        const { bytesWritten } = await local(() => this.#file.write(chunk, at, chunk.length - at, this.#offset))
        this.#offset += bytesWritten
        return { bytesWritten }
      },
    }
  }
}

function replaced(cause: unknown): PayloadError {
  const message =
    'The recording was replaced after it was submitted. Submit it again to have the new one transcribed, and upload nothing to a URL ' +
    'that was submitted.'
  return new PayloadError('payload.replaced', message, { cause })
}

function changed(error: unknown): undefined {
  if (causeIs(error, 'PreconditionFailed')) return undefined
  throw error
}

/** Gives errors of the file system as `PayloadError`s. */
async function local<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    const meaning = meaningOf(cause)
    if (meaning === undefined) throw cause
    const message = `The folder for temporary files failed: ${meaning}.`
    throw new PayloadError('payload.unavailable', message, { cause })
  }
}
