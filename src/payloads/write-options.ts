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
