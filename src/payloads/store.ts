import type { Readable } from 'node:stream'

/**
 * Names an object: `uploads/<uuid>.<extension>` or `results/<job>/<attempt>.json`. Made by the server alone; the store
 * refuses keys with any other character than letters, digits, `-`, `_`, `.` and `/`, and empty, `.` and `..` parts.
 */
export type PayloadKey = string

export interface WriteOptions {
  /** More than this is refused with `payload.too_large`. */
  readonly maxBytes?: number
  /** Aborting destroys the body and rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Runs when all bytes are durable and before the object appears; when it throws, nothing appears. */
  readonly beforeCommit?: () => Promise<void>
}

/** A payload as a local file, for the engine. Disposing it removes what was copied for it, if anything was. */
export interface LocalPayload extends AsyncDisposable {
  readonly path: string
}

/** Where recordings and results lie. Memory stays flat whatever their size. Errors are `PayloadError`s. */
export interface PayloadStore {
  /**
   * Durable when it resolves; a body that breaks off leaves nothing (`payload.interrupted`). Replaces an older object. A body
   * that is refused or can't be stored is left as it is, so that its sender can be answered.
   */
  write(key: PayloadKey, body: Readable, options?: WriteOptions): Promise<{ readonly bytes: number }>
  size(key: PayloadKey): Promise<number | undefined>
  /** `payload.missing` when there is none. */
  read(key: PayloadKey): Promise<Readable>
  /** `payload.missing` when there is none. */
  openLocal(key: PayloadKey, signal?: AbortSignal): Promise<LocalPayload>
  /** No error when there is none. */
  remove(key: PayloadKey): Promise<void>
  /** Fails unless an object can be written, read and removed. */
  check(signal?: AbortSignal): Promise<void>
}
