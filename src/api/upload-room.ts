import { LimitError } from '../jobs/errors.ts'
import type { UnsubmittedUploads } from '../jobs/unsubmitted-uploads.ts'
import type { PayloadKey } from '../payloads/store.ts'
import { ApiError } from './errors.ts'

/** What somebody uploads now. Disposing it ends that. */
export interface UploadHold extends Disposable {
  /** Bytes that the upload may have in all. */
  readonly maxBytes: number
  /** So much of it is there now, until it is submitted. */
  keep(bytes: number): Promise<void>
}

export interface UploadRoomOptions {
  readonly maxUploadBytes: number
  /** Bytes that a key may have uploaded and not submitted; null: any number. */
  readonly maxUnsubmittedBytes: number | null
}

interface Upload {
  readonly key: PayloadKey
  readonly owner: string
  /** Bytes that it may come to have. */
  readonly bytes: number
  readonly isWhole: boolean
}

/** By then some may have been submitted. */
const RETRY_SECONDS = 60

/** How much each key may upload before it submits it, through this server; and one whole upload at a time to each URL. */
export class UploadRoom {
  readonly #uploads: UnsubmittedUploads
  readonly #options: UploadRoomOptions
  readonly #running = new Set<Upload>()

  constructor(uploads: UnsubmittedUploads, options: UploadRoomOptions) {
    this.#uploads = uploads
    this.#options = options
  }

  /**
   * @param bytes that the upload will have, with what is there of it already; undefined: its sender has not said so
   * @param isWhole whether it replaces what is there: two of these at once would only waste the disk
   * @throws ApiError 409 when somebody uploads there already; LimitError when the key has too much that is not submitted
   */
  async begin(key: PayloadKey, owner: string, bytes: number | undefined, isWhole: boolean): Promise<UploadHold> {
    const { maxUploadBytes, maxUnsubmittedBytes } = this.#options
    if (isWhole && [...this.#running].some((other) => other.isWhole && other.key === key)) {
      throw new ApiError(
        409,
        'Another upload to this URL is under way. Wait until it has ended, or ask for a new upload URL and use that.',
      )
    }
    const upload: Upload = { key, owner, bytes: bytes ?? maxUploadBytes, isWhole }
    // Taken before the database is asked: of those that come together, each sees those before it.
    this.#running.add(upload)
    const end = (): void => void this.#running.delete(upload)
    try {
      if (maxUnsubmittedBytes !== null) await this.#require(upload, bytes, maxUnsubmittedBytes)
    } catch (error) {
      end()
      throw error
    }
    return {
      maxBytes: Math.min(upload.bytes, maxUploadBytes),
      keep: (kept) => (kept === 0 ? this.#uploads.forget(key) : this.#uploads.record(key, owner, kept)),
      [Symbol.dispose]: end,
    }
  }

  /** Nothing is there any more. */
  async forget(key: PayloadKey): Promise<void> {
    await this.#uploads.forget(key)
  }

  async #require(upload: Upload, announced: number | undefined, limit: number): Promise<void> {
    // What runs first, then what is kept: what is kept meanwhile is counted twice rather than not at all.
    let used = 0
    for (const other of this.#running) {
      if (other === upload) break
      if (other.owner === upload.owner && other.key !== upload.key) used += other.bytes
    }
    used += await this.#uploads.bytesOf(upload.owner, upload.key)
    if (used + upload.bytes <= limit) return
    const asked =
      announced === undefined ? 'this one has not said how many it has (Content-Length)' : `this one has ${announced}`
    throw new LimitError(
      `This API key may have ${limit} bytes uploaded and not submitted; it has ${used}, and ${asked}. Submit what was uploaded, or ` +
        'DELETE upload URLs that are not needed (SOTTO_MAX_UNSUBMITTED_BYTES).',
      RETRY_SECONDS,
    )
  }
}
