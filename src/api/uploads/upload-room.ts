import { LimitError } from '../../jobs/errors.ts'
import type { UnsubmittedUploads } from '../../jobs/keeping/unsubmitted-uploads.ts'
import { KeyedMutex } from '../../payloads/keyed-mutex.ts'
import type { PayloadKey } from '../../payloads/payload-key.ts'

/** What somebody uploads now. Disposing it ends that. */
export interface UploadHold extends Disposable {
  /** Bytes that the upload may have in all. */
  readonly maxBytes: number
  /**
   * So much of it is there now, until it is submitted.
   * @param name what its sender calls it; null or absent: nothing
   */
  keep(bytes: number, name?: string | null): Promise<void>
}

/** One that brings the whole recording. */
export interface WholeUploadHold extends UploadHold {
  /** Aborts with `payload.superseded` when a later one to the same URL takes over, which waits for this one to be disposed. */
  readonly signal: AbortSignal
}

export interface UploadRoomOptions {
  readonly maxUploadBytes: number
  /** Bytes that a key may have uploaded and not submitted; null: any number. */
  readonly maxUnsubmittedBytes: number | null
}

/** An upload that is about to begin. */
export interface AnnouncedUpload {
  readonly key: PayloadKey
  readonly owner: string
  /** That the upload will have, with what is there of it already; undefined: its sender has not said so. */
  readonly bytes: number | undefined
}

interface RunningUpload extends AnnouncedUpload {
  /** Bytes reserved while it runs: the most that it may come to have. */
  readonly reservedBytes: number
}

/** By then some may have been submitted. */
const RETRY_SECONDS = 60

/** How much each key may upload before it submits it, through this server; and one whole upload at a time to each URL. */
export class UploadRoom {
  readonly #uploads: UnsubmittedUploads
  readonly #options: UploadRoomOptions
  readonly #running = new Set<RunningUpload>()
  readonly #whole = new KeyedMutex()

  constructor(uploads: UnsubmittedUploads, options: UploadRoomOptions) {
    this.#uploads = uploads
    this.#options = options
  }

  /** @throws LimitError when the key has too much that is not submitted */
  async begin(announced: AnnouncedUpload): Promise<UploadHold> {
    const { maxUploadBytes, maxUnsubmittedBytes } = this.#options
    const upload = { ...announced, reservedBytes: announced.bytes ?? maxUploadBytes }
    // Reserved before the database is asked, so that concurrent uploads see each other.
    this.#running.add(upload)
    const end = (): void => void this.#running.delete(upload)
    try {
      if (maxUnsubmittedBytes !== null) await this.#require(upload, maxUnsubmittedBytes)
    } catch (error) {
      end()
      throw error
    }
    const { key, owner } = announced
    return {
      maxBytes: Math.min(upload.reservedBytes, maxUploadBytes),
      keep: (bytes, name = null) =>
        bytes === 0 ? this.#uploads.forget(key) : this.#uploads.record(key, owner, { bytes, name }),
      [Symbol.dispose]: end,
    }
  }

  /**
   * As `begin`, for one that replaces what is there. It preempts another one to the same URL: a client's earlier try whose connection
   * broke, which this server may not notice for long.
   */
  async beginWhole(announced: AnnouncedUpload): Promise<WholeUploadHold> {
    using stack = new DisposableStack()
    // First: one that is refused preempts nothing.
    const hold = stack.use(await this.begin(announced))
    const { signal } = stack.use(await this.#whole.acquire(announced.key))
    const held = stack.move()
    return { ...hold, signal, [Symbol.dispose]: () => held.dispose() }
  }

  /** Nothing is there any more. */
  async forget(key: PayloadKey): Promise<void> {
    await this.#uploads.forget(key)
  }

  async #require(upload: RunningUpload, limit: number): Promise<void> {
    // Running uploads first, then stored ones: one that completes in between is counted twice rather than not at all.
    let used = 0
    for (const other of this.#running) {
      if (other.owner === upload.owner && other.key !== upload.key) used += other.reservedBytes
    }
    used += await this.#uploads.bytesOf(upload.owner, upload.key)
    if (used + upload.reservedBytes <= limit) return
    const asked =
      upload.bytes === undefined
        ? 'this one has not said how many it has (Content-Length)'
        : `this one has ${upload.bytes}`
    throw new LimitError(
      `This API key may have ${limit} bytes uploaded and not submitted; it has ${used}, and ${asked}. Submit what was uploaded, or ` +
        'DELETE upload URLs that are not needed (SOTTO_MAX_UNSUBMITTED_BYTES).',
      RETRY_SECONDS,
    )
  }
}
