/** What requests may take of the server at most, in bytes and in time. Tests take smaller ones. */
export interface RequestLimits {
  /** Of a JSON body, and of what is beside the recording in a synchronous one. */
  readonly jsonBytes: number
  /** Of arrays and objects in one another. */
  readonly jsonDepth: number
  /** For a JSON body to arrive. */
  readonly jsonMs: number
  /** For the body of a synchronous request to arrive, which holds its bytes that long. */
  readonly syncMs: number
  /** Of all JSON bodies together that are not answered yet. */
  readonly jsonBytesInFlight: number
  /** Of all recordings in synchronous requests together that are not answered yet. */
  readonly syncBytesInFlight: number
  /** A body that brings less than `paceBytes` within so long is ended. */
  readonly paceMs: number
  readonly paceBytes: number
  /** How long a connection is still read from, and nothing kept of it, after an answer that came before the body's end. */
  readonly lingerMs: number
}

export const REQUEST_LIMITS: RequestLimits = {
  jsonBytes: 2 ** 20,
  jsonDepth: 64,
  jsonMs: 30_000,
  // A minute of music in CD quality at 40 kB a second.
  syncMs: 300_000,
  jsonBytesInFlight: 2 ** 24,
  syncBytesInFlight: 2 ** 28,
  // A kilobyte a second: a phone at the edge of its network has ten, and may be without any for half a minute.
  paceMs: 60_000,
  paceBytes: 60_000,
  lingerMs: 2000,
}
