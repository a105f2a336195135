import type { Readable } from 'node:stream'
import type { PayloadKey } from './payload-key.ts'
import type { ApiUploads, DirectUploads } from './uploads/client-uploads.ts'
import type { WriteOptions } from './write-options.ts'

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

/** Where recordings and results lie. Memory stays flat whatever their size. Errors are `PayloadError`s. */
export interface PayloadStore {
  /** How clients bring recordings: through the API, or past it to the store itself. */
  readonly uploads: ApiUploads | DirectUploads
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
   * @param version as `uploads.finish` named it; null: any
   */
  openLocal(key: PayloadKey, signal?: AbortSignal, version?: string | null): Promise<LocalPayload>
  /** No error when there is none. Aborting rejects with the signal's reason; the object may be gone all the same. */
  remove(key: PayloadKey, signal?: AbortSignal): Promise<void>
  /** The objects below a folder of keys, such as `uploads`; what comes and goes meanwhile may be among them or not. */
  list(folder: string, signal?: AbortSignal): AsyncIterable<StoredPayload>
  /** Fails unless an object can be written, read and removed. */
  check(signal?: AbortSignal): Promise<void>
}
