import { PassThrough, Readable } from 'node:stream'
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { ApiError } from '../errors/api-error.ts'
import type { RequestLimits } from '../http/request-limits.ts'

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

export interface ArrivalOptions {
  /** For all of it to arrive; it may take any time unless this is given. */
  readonly limitMs?: number
  /** Aborting ends the body with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * A request's body as it arrives, decoded as its Content-Encoding says. Unlike the request's own stream it can be destroyed while its sender
 * is still to be answered. What ends it early is an `ApiError`, unless the client went away. Whoever reads it has to bound its bytes.
 * @throws ApiError 415
 */
export function arrivingBody(
  request: FastifyRequest,
  limits: RequestLimits,
  { limitMs, signal }: ArrivalOptions = {},
): Readable {
  const encoding = encodingOf(request)
  const { raw } = request
  const body = new PassThrough()
  body.on('error', ignore)
  const slow = paceOf(request, limits)
  const destroy = (error: unknown): void => {
    raw.unpipe(body)
    body.destroy(error instanceof Error ? error : new Error('the body broke off', { cause: error }))
  }
  for (const end of signal === undefined ? [slow] : [slow, signal]) {
    end.addEventListener('abort', () => destroy(end.reason), { once: true })
  }
  if (signal?.aborted === true) destroy(signal.reason)
  // Its sender has gone while its turn was waited for: there is no event of that any more.
  if (isBrokenOff(raw)) destroy(undefined)
  const late = (): void => destroy(new ApiError(408, `The body did not arrive within ${(limitMs ?? 0) / 1000} s.`))
  const timer = limitMs === undefined ? undefined : setTimeout(late, limitMs)
  body.once('close', () => clearTimeout(timer))
  raw.once('error', destroy)
  raw.once('close', () => {
    if (isBrokenOff(raw)) destroy(undefined)
  })
  raw.pipe(body)
  return encoding === undefined ? body : streamOf(decoded(body, encoding))
}

/** Bytes as a stream, which may also break off while nobody reads it. */
export function streamOf(bytes: AsyncIterable<Uint8Array>): Readable {
  return Readable.from(bytes, { objectMode: false }).on('error', ignore)
}

/** Whoever reads a stream is told of its error; that nobody does is no fault. */
export function ignore(): void {}

/**
 * Whether the body has other bytes than its Content-Length counts.
 * @throws ApiError 415 for a Content-Encoding that is not taken
 */
export function isEncoded(request: FastifyRequest): boolean {
  return encodingOf(request) !== undefined
}

/** @throws ApiError 415 for any Content-Encoding, where bytes are counted as they are sent */
export function requireUnencoded(request: FastifyRequest): void {
  if (isEncoded(request)) throw unsupported(request.headers['content-encoding'])
}

/** Aborted with an `ApiError` when the body comes too slowly to be waited for. */
export function paceOf({ raw }: FastifyRequest, { paceMs, paceBytes }: RequestLimits): AbortSignal {
  const slow = new AbortController()
  // Of one that is over nothing is told any more, what ends the watch neither.
  if (raw.destroyed || raw.complete) return slow.signal
  const { socket } = raw
  let seen = socket.bytesRead
  const timer = setInterval(() => {
    // All of it has arrived. What nobody reads of it, since its sender has gone, has neither an end nor a close.
    if (raw.complete) {
      end()
      return
    }
    const arrived = socket.bytesRead - seen
    seen = socket.bytesRead
    // What has arrived and is not taken up yet is this server's slowness.
    if (arrived >= paceBytes || raw.readableLength > 0) return
    end()
    slow.abort(
      new ApiError(408, `The body brought ${arrived} bytes in ${paceMs / 1000} s, which is too slow. Send it again.`),
    )
  }, paceMs)
  // Its connection keeps the process for as long as there is one.
  timer.unref()
  const end = (): void => clearInterval(timer)
  raw.once('end', end)
  raw.once('close', end)
  return slow.signal
}

function isBrokenOff(raw: FastifyRequest['raw']): boolean {
  return raw.destroyed && !raw.readableEnded
}

async function* decoded(body: Readable, encoding: string): AsyncGenerator<Uint8Array> {
  const decoder = DECODERS[encoding]?.()
  if (decoder === undefined) throw unsupported(encoding)
  body.once('error', (error) => decoder.destroy(error))
  body.pipe(decoder)
  try {
    yield* decoder
  } catch (cause) {
    if (body.errored !== null) throw body.errored
    throw new ApiError(400, `The body is not what its Content-Encoding (${encoding}) says.`, { cause })
  } finally {
    body.destroy()
  }
}

function encodingOf({ headers }: FastifyRequest): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? ''
  if (encoding === '' || encoding === 'identity') return undefined
  if (!Object.hasOwn(DECODERS, encoding)) throw unsupported(encoding)
  return encoding
}

function unsupported(encoding: string | undefined): ApiError {
  return new ApiError(
    415,
    `A body with Content-Encoding: ${encoding?.slice(0, 50)} is not taken here. Send it as it is, or, but for PATCH, as gzip, deflate or br.`,
    { headers: { 'accept-encoding': 'gzip, deflate, br' } },
  )
}
