import type { Readable } from 'node:stream'
import type { ResumableUploads } from './resumable-uploads.ts'

/**
 * Names an object: `uploads/<uuid>.<extension>` or `results/<job>/<attempt>.json`. Made by the server alone; the store
 * refuses keys with any other character than letters, digits, `-`, `_`, `.` and `/`, and empty, `.` and `..` parts.
 */
export type PayloadKey = string

export interface WriteOptions {
  /** More than this is refused with `payload.too_large`. */
  readonly maxBytes?: number
  /** Bytes of the body, when its sender has said so: what the disk has no room for is then refused before it is read. */
  readonly bodyBytes?: number | undefined
  /** Aborting destroys the body and rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Runs when all bytes are durable and before the object appears; when it throws, nothing appears. */
  readonly beforeCommit?: () => Promise<void>
}

/** A payload as a local file, for the engine. Disposing it removes what was copied for it, if anything was. */
export interface LocalPayload extends AsyncDisposable {
  readonly path: string
}

/** An object as a list tells of it. */
export interface StoredPayload {
  readonly key: PayloadKey
  readonly bytes: number
  readonly modifiedAt: Date
}

/** Where a client uploads to without the API in between. */
export interface PresignedUpload {
  /** Takes the whole recording by one PUT, with any or no Content-Type. */
  readonly url: string
  /**
   * Takes the recording in parts instead, one PUT each, in any order and at the same time. Those that were uploaded, from the
   * first on, make the recording; each but the last of them has 5 MiB to 5 GiB.
   */
  readonly parts?: readonly string[]
}

export interface PresignOptions {
  readonly expiresInSeconds: number
  /** How many URLs for parts are asked for, 1 to 10,000; without it there are none. */
  readonly parts?: number
}

/** What was uploaded under a key. */
export interface FinishedUpload {
  readonly bytes: number
  /** Names its content, where it may still be replaced without the API; null: it can't be, or has no such name. */
  readonly version: string | null
}

/** Where recordings and results lie. Memory stays flat whatever their size. Errors are `PayloadError`s. */
export interface PayloadStore {
  /** Uploads through the API that go on where they broke off; null: clients upload to the store itself. */
  readonly resumable: ResumableUploads | null
  /**
   * Durable when it resolves; a body that breaks off leaves nothing (`payload.interrupted`). Replaces an older object. A body
   * that is refused or can't be stored is left as it is, so that its sender can be answered.
   */
  write(key: PayloadKey, body: Readable, options?: WriteOptions): Promise<{ readonly bytes: number }>
  size(key: PayloadKey): Promise<number | undefined>
  /** `payload.missing` when there is none. */
  read(key: PayloadKey): Promise<Readable>
  /** The bytes from `start` to before `end`; fewer where the object ends earlier. `payload.missing` when there is none. */
  readRange(key: PayloadKey, start: number, end: number): Promise<Buffer>
  /**
   * `payload.missing` when there is none, `payload.replaced` when it is of another version by now.
   * @param version as `finishUpload` named it; null: any
   */
  openLocal(key: PayloadKey, signal?: AbortSignal, version?: string | null): Promise<LocalPayload>
  /** No error when there is none. */
  remove(key: PayloadKey): Promise<void>
  /** The objects below a folder of keys, such as `uploads`; what comes and goes meanwhile may be among them or not. */
  list(folder: string): AsyncIterable<StoredPayload>
  /** Null: clients upload through the API. */
  presignUpload(key: PayloadKey, options: PresignOptions): Promise<PresignedUpload | null>
  /** The key that a URL of `presignUpload` stands for, be it expired; undefined for any other URL, and for those of parts. */
  keyOfUploadUrl(url: URL): Promise<PayloadKey | undefined>
  /**
   * What was uploaded under a key; parts are put together first. Undefined when nothing was. Doing it again, or twice at once,
   * gives the same. `payload.incomplete` when a part is missing before others, or is too small; it can be uploaded still.
   */
  finishUpload(key: PayloadKey): Promise<FinishedUpload | undefined>
  /** Removes what writes and uploads in parts left unfinished, as far as it is older; says how many there were. */
  removeUnfinished(olderThan: Date): Promise<number>
  /** Fails unless an object can be written, read and removed. */
  check(signal?: AbortSignal): Promise<void>
}
