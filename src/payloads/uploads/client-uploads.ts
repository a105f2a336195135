import type { Readable } from 'node:stream'
import type { PayloadKey } from '../payload-key.ts'
import type { WriteOptions } from '../write-options.ts'

/** How far an upload has come. It is complete, and an object of the store, when `offset` is `length`. */
export interface UploadProgress {
  /** Bytes from the first one on that are there, durable. */
  readonly offset: number
  /** Bytes that it will have; undefined while nobody has said so. */
  readonly length: number | undefined
}

/** What was uploaded under a key, whole. */
export interface FinishedUpload {
  readonly bytes: number
  /** Names its content, where it may still be replaced without the API; null: it can't be, or has no such name. */
  readonly version: string | null
}

/**
 * Uploads that come in parts, until they are whole: one file that grows, or the parts of a multipart upload. What is stored of the parts is
 * all the state there is, so that any process goes on with them. Errors are `PayloadError`s.
 */
export interface UnfinishedUploads {
  /** Offset 0 for one that has not begun. What is told is durable. */
  progress(key: PayloadKey): Promise<UploadProgress>
  /**
   * Makes an object of an upload whose parts are all there. Undefined when they are not. Doing it again, or twice at once, gives the same.
   * `payload.incomplete` when a part is missing before others, or is too small; it can be uploaded still.
   */
  finish(key: PayloadKey): Promise<FinishedUpload | undefined>
  /** Stops and removes what is unfinished; no error when there is nothing. An object stays. */
  discard(key: PayloadKey): Promise<void>
  /** Removes what writes and uploads left unfinished, as far as it is older; says how many there were. */
  removeOlderThan(date: Date): Promise<number>
}

export interface AppendOptions extends WriteOptions {
  /** Where the body goes: the offset of the upload so far. */
  readonly offset: number
  /** Bytes that the whole upload has. Said once, it stays; saying it again is allowed. */
  readonly length?: number | undefined
  readonly body: Readable
  /** Bytes that the whole upload may have. */
  readonly maxBytes?: number
  /** Aborting stops the append and rejects with the signal's reason; what came so far stays, and so does the body. */
  readonly signal?: AbortSignal
}

/** The API takes the bytes, one part behind the other. */
export interface ApiUploads extends UnfinishedUploads {
  readonly kind: 'api'
  /**
   * Adds what arrives of a body, and keeps it when the body breaks off (`payload.interrupted`), the disk is full
   * (`payload.unavailable`) or another append at the same offset takes over (`payload.superseded`). When all bytes are there, the
   * object appears before this resolves. Nothing is added by `payload.wrong_offset`, `payload.wrong_length`, `payload.complete`
   * and `payload.too_large`. The body is left as it is, so that its sender can be answered.
   */
  append(key: PayloadKey, options: AppendOptions): Promise<UploadProgress>
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

/** The store takes the bytes itself, at URLs that it checks, and the API never sees them. */
export interface DirectUploads extends UnfinishedUploads {
  readonly kind: 'direct'
  presign(key: PayloadKey, options: PresignOptions): Promise<PresignedUpload>
  /** The key that a URL of `presign` stands for, be it expired; undefined for any other URL, and for those of parts. */
  keyOf(url: URL): Promise<PayloadKey | undefined>
  /** Whether a URL leads to anything that the store keeps, or to a part of it, by whatever URL. */
  isOwn(url: URL): Promise<boolean>
}
