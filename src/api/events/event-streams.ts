import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../errors/api-error.ts'
import { OpenRequests } from '../http/open-requests.ts'
import type { ApiContext } from '../context.ts'
import { HEARTBEAT, StreamWriter } from './stream-writer.ts'

/** When places in the queue are looked at again, and whether keys are still valid. */
const TICK_MS = 1000
/** How long a client waits before it comes back, after a break. */
const RETRY_MS = 2000
/** At shutdown they come back within this time, not all in the same moment. */
const RETURN_MS = { least: 1000, spread: 4000 } as const

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // Proxies would gather events, or compress them and gather them for that.
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const

/** One reader, and what is told to it. */
export interface EventStream {
  readonly writer: StreamWriter
  /** Aborted when nobody reads any more, or nothing may be told. */
  readonly signal: AbortSignal
  /** Is called each second. */
  onTick: () => void
}

interface Entry {
  readonly owner: string
  /** Of the key, when the stream began. */
  readonly generation: string | undefined
  readonly stream: EventStream
  readonly end: (...last: readonly string[]) => void
}

/** The streams of server-sent events that are open at this server. */
export class EventStreams {
  readonly #context: Pick<ApiContext, 'apiKeys' | 'logger'>
  readonly #requests: OpenRequests
  readonly #maxPerKey: number | null
  readonly #entries = new Set<Entry>()
  #ticks: NodeJS.Timeout | undefined

  /** @param maxPerKey null: any number */
  constructor(context: Pick<ApiContext, 'apiKeys' | 'logger'>, maxPerKey: number | null) {
    this.#context = context
    this.#maxPerKey = maxPerKey
    this.#requests = new OpenRequests(maxPerKey)
  }

  /**
   * Answers with a stream. It stays open until `tell` ends it, the client leaves, its key is revoked or the server closes; then clients come
   * back, to another server perhaps, with the id of the last event that they have.
   * @param opening is sent with the headers
   * @throws ApiError 429 when the key has as many as it may have
   */
  async serve(
    request: FastifyRequest,
    reply: FastifyReply,
    opening: string,
    tell: (stream: EventStream) => Promise<void>,
  ): Promise<FastifyReply> {
    const { owner } = request
    const generation = await this.#context.apiKeys.generation(owner)
    const stop = new AbortController()
    const writer = new StreamWriter()
    const end = (...last: readonly string[]): void => {
      writer.end(...last)
      stop.abort()
    }
    const entered = this.#requests.enter(owner, () => end(retry(RETURN_MS.least + Math.random() * RETURN_MS.spread)))
    if (entered === undefined) throw tooMany(this.#maxPerKey)
    const stream: EventStream = { writer, signal: stop.signal, onTick: () => undefined }
    const entry = { owner, generation, stream, end }
    this.#enter(entry)
    const { raw } = reply
    reply.hijack()
    const gone = goneOf(raw, () => {
      end()
      entered[Symbol.dispose]()
      this.#leave(entry)
    })
    request.raw.socket.setNoDelay(true)
    raw.shouldKeepAlive = false
    // What the hooks have said, such as which pages may read it.
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
    raw.writeHead(200, HEADERS)
    writer.push(`${retry(RETRY_MS)}${opening}${HEARTBEAT}`)
    void this.#tell(stream, tell)
    void write(raw, writer, gone)
    return reply
  }

  /** Ends all, with when to come back. */
  close(): void {
    this.#requests.close()
  }

  async #tell(stream: EventStream, tell: (stream: EventStream) => Promise<void>): Promise<void> {
    try {
      await tell(stream)
    } catch (error) {
      if (!stream.signal.aborted) this.#context.logger.error({ err: error }, 'a stream of events broke off')
    }
    stream.writer.end()
  }

  #enter(entry: Entry): void {
    this.#entries.add(entry)
    this.#ticks ??= setInterval(() => void this.#tick(), TICK_MS).unref()
  }

  #leave(entry: Entry): void {
    this.#entries.delete(entry)
    if (this.#entries.size > 0) return
    clearInterval(this.#ticks)
    this.#ticks = undefined
  }

  async #tick(): Promise<void> {
    const { apiKeys, logger } = this.#context
    try {
      const owners = new Set([...this.#entries].map(({ owner }) => owner))
      for (const owner of owners) {
        const generation = await apiKeys.generation(owner)
        for (const entry of this.#entries) if (entry.owner === owner && entry.generation !== generation) entry.end()
      }
    } catch (error) {
      logger.warn({ err: error }, 'whether the keys of open streams are valid could not be looked up')
    }
    for (const { stream } of this.#entries) if (!stream.signal.aborted) stream.onTick()
  }
}

/** Aborted when the client leaves, which it may have done already. */
function goneOf(raw: ServerResponse, onGone: () => void): AbortSignal {
  const gone = new AbortController()
  gone.signal.addEventListener('abort', onGone, { once: true })
  raw.once('close', () => gone.abort())
  if (raw.destroyed) gone.abort()
  return gone.signal
}

/** Writes until it has ended; not faster than it is read. */
async function write(raw: ServerResponse, writer: StreamWriter, gone: AbortSignal): Promise<void> {
  try {
    for await (const text of writer) {
      if (!raw.write(text)) await once(raw, 'drain', { signal: gone })
    }
  } catch {
    // The client has left; `close` has told the others.
  }
  raw.end()
}

function retry(ms: number): string {
  return `retry: ${Math.round(ms)}\n\n`
}

function tooMany(maxPerKey: number | null): ApiError {
  return new ApiError(
    429,
    `The API key has ${maxPerKey} event streams open here, which is as many as one may have. Close some: /v1/async/events is one ` +
      'stream for all jobs.',
    { headers: { 'retry-after': '5' } },
  )
}
