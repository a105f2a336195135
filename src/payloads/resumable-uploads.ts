import type { Readable } from 'node:stream'
import type { PayloadKey, WriteOptions } from './store.ts'

/** How far an upload has come. It is complete, and an object of the store, when `offset` is `length`. */
export interface UploadProgress {
  /** Bytes that are there, durable; the next one goes behind them. */
  readonly offset: number
  /** Bytes that it will have; undefined while nobody has said so. */
  readonly length: number | undefined
}

export interface AppendOptions extends WriteOptions {
  /** Where the body goes: the offset of the upload so far. */
  readonly offset: number
  /** Bytes that the whole upload has. Said once, it stays; saying it again is allowed. */
  readonly length?: number | undefined
  readonly body: Readable
  /** Bytes of the body, when its sender has said so: what is too large is then refused before it is read. */
  readonly bodyBytes?: number | undefined
  /** Bytes that the whole upload may have. */
  readonly maxBytes?: number
  /** Aborting stops the append and rejects with the signal's reason; what came so far stays, and so does the body. */
  readonly signal?: AbortSignal
}

/** Uploads that go on where they broke off, until they are complete. Errors are `PayloadError`s. */
export interface ResumableUploads {
  /** Offset 0 for one that has not begun. What is told is durable. */
  progress(key: PayloadKey): Promise<UploadProgress>
  /**
   * Adds what arrives of a body, and keeps it when the body breaks off (`payload.interrupted`), the disk is full
   * (`payload.unavailable`) or another append at the same offset takes over (`payload.superseded`). When all bytes are there, the
   * object appears before this resolves. Nothing is added by `payload.wrong_offset`, `payload.wrong_length`, `payload.complete`
   * and `payload.too_large`. The body is left as it is, so that its sender can be answered.
   */
  append(key: PayloadKey, options: AppendOptions): Promise<UploadProgress>
  /** Stops and removes what is incomplete; no error when there is nothing. An object stays. */
  discard(key: PayloadKey): Promise<void>
  /** Removes uploads that are incomplete and got their last byte before `date`; says how many. */
  removeOlderThan(date: Date): Promise<number>
}
