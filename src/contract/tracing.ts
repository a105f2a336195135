/** Which trace something belongs to, and below which span of it: a `traceparent` of W3C Trace Context. */
export type Traceparent = string

/** What spans say: numbers, ids and words of the server's own; never what a client has written or said. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>

export interface SpanOptions {
  /** Null: a trace begins with it. */
  readonly parent: Traceparent | null
  /** Default: internal. */
  readonly kind?: 'server' | 'client' | 'consumer'
  readonly attributes?: SpanAttributes
  /** Milliseconds since 1970; default: now. */
  readonly startMs?: number
}

export interface SpanEnd {
  /** Why it failed: a stable code; absent: it did not. */
  readonly error?: string
  /** Milliseconds since 1970; default: now. */
  readonly endMs?: number
}

/** Something that takes time, from its start until it is ended. */
export interface Span {
  /** What its children, and other services, are told; its parent's where nothing is traced. */
  readonly traceparent: Traceparent | null
  set(attributes: SpanAttributes): void
  /** What is done after that changes nothing. */
  end(end?: SpanEnd): void
}

export interface Tracer {
  /** False: its spans go nowhere, and need not be made for their own sake. */
  readonly isOn: boolean
  start(name: string, options: SpanOptions): Span
}

/** Where nothing is traced: what comes in from others is passed on as it came. */
export const NO_TRACER: Tracer = {
  isOn: false,
  start: (_name, { parent }) => ({ traceparent: parent, set: () => undefined, end: () => undefined }),
}

const TRACEPARENT = /^(?!ff)([\da-f]{2})-((?!0{32})[\da-f]{32})-((?!0{16})[\da-f]{16})-([\da-f]{2})(-.*)?$/

/** Reads a `traceparent` header, of this or a later version; null: there is none, or it is to be ignored. */
export function readTraceparent(header: unknown): Traceparent | null {
  if (typeof header !== 'string') return null
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(header) ?? []
  if (traceId === undefined || (version === '00' && more !== undefined)) return null
  return `00-${traceId}-${spanId}-${flags}`
}
