import { setTimeout as delay } from 'node:timers/promises'
import type { OutboundClient } from '../outbound/client.ts'
import { ask, ignore, requireRecording, unreachable } from './answers.ts'
import type { Answer } from './answers.ts'
import { FetchError } from './errors.ts'
import { extensionOf } from './media-types.ts'
import { Pace } from './pace.ts'
import type { LeastRate } from './pace.ts'
import { continuationOf, representationOf, validatorOf } from './representation.ts'
import type { Representation } from './representation.ts'

export interface FetchProgress {
  readonly receivedBytes: number
  /** Undefined: the server does not say. */
  readonly totalBytes: number | undefined
}

export interface FetchOptions {
  readonly client: OutboundClient
  readonly maxBytes: number
  /** For all of it. */
  readonly limitMs: number
  readonly signal: AbortSignal
  readonly onProgress?: (progress: FetchProgress) => void
  readonly leastRate?: LeastRate
  readonly firstPauseMs?: number
}

export interface RemoteRecording {
  /** As its server says; it is held to it. */
  readonly totalBytes: number | undefined
  /** What its name would end in, by its media type; undefined: nobody says. */
  readonly extension: string | undefined
  /** To be read once, to its end, or left with the client's disposal. */
  readonly chunks: AsyncIterable<Buffer>
}

/** As an upload's. */
const LEAST_RATE: LeastRate = { windowMs: 60_000, bytes: 60_000 }
/** Pauses of 0.5, 1, 2 and 4 s, unless the server asks for others: the job's own tries come on top. */
const MAX_TRIES = 5
const FIRST_PAUSE_MS = 500
/** Whoever breaks off so often, be it a little further each time, has nothing better to come. */
const MAX_BREAKS = 100

/**
 * Fetches what is behind a URL, whole: a connection that breaks is gone on with where it broke, as long as the server can do that, and it can
 * be told that its bytes are still the same.
 * @throws FetchError, the signal's reason; so do the chunks
 */
export async function fetchRecording(url: string, options: FetchOptions): Promise<RemoteRecording> {
  const fetching = new Fetching(url, options)
  const first = await fetching.open()
  const extension = extensionOf(first.headers['content-type'])
  return { totalBytes: fetching.totalBytes, extension, chunks: fetching.chunks(first) }
}

class Fetching {
  readonly #url: string
  readonly #options: FetchOptions
  readonly #timeout: AbortSignal
  readonly #signal: AbortSignal
  readonly #pace: Pace
  #known: Representation | undefined
  #receivedBytes = 0
  #breaks = 0

  constructor(url: string, options: FetchOptions) {
    this.#url = url
    this.#options = options
    this.#timeout = AbortSignal.timeout(options.limitMs)
    this.#signal = AbortSignal.any([options.signal, this.#timeout])
    this.#pace = new Pace(options.leastRate ?? LEAST_RATE)
  }

  get totalBytes(): number | undefined {
    return this.#known?.totalBytes
  }

  async open(): Promise<Answer> {
    const answer = await this.#patiently(async () => await this.#ask({}))
    if (answer.statusCode !== 200) throw partial(answer)
    this.#known = representationOf(answer)
    if ((this.totalBytes ?? 0) > this.#options.maxBytes) {
      answer.body.on('error', ignore).destroy()
      throw this.#tooLarge()
    }
    return answer
  }

  async *chunks(first: Answer): AsyncGenerator<Buffer> {
    let [answer, skipBytes] = [first, 0]
    for (;;) {
      const broken = yield* this.#read(answer, skipBytes)
      if (broken === undefined) return
      ;({ answer, skipBytes } = await this.#goOn(broken))
    }
  }

  /** Gives what an answer brings; says why it ended before its end, if it did. */
  async *#read(answer: Answer, skipBytes: number): AsyncGenerator<Buffer, unknown> {
    const { maxBytes, onProgress } = this.#options
    const body: AsyncIterator<Buffer> = answer.body[Symbol.asyncIterator]()
    try {
      for (let toSkip = skipBytes; ;) {
        const next = await this.#next(body)
        if ('broken' in next) return next.broken
        if (next.chunk === undefined) return this.#isShort() ? unreachable(new Error('it ended early')) : undefined
        const skipped = Math.min(toSkip, next.chunk.length)
        toSkip -= skipped
        const chunk = next.chunk.subarray(skipped)
        if (chunk.length === 0) continue
        this.#receivedBytes += chunk.length
        if (this.#receivedBytes > maxBytes) throw this.#tooLarge()
        onProgress?.({ receivedBytes: this.#receivedBytes, totalBytes: this.totalBytes })
        yield chunk
      }
    } finally {
      answer.body.on('error', ignore).destroy()
    }
  }

  async #next(
    body: AsyncIterator<Buffer>,
  ): Promise<{ readonly chunk: Buffer | undefined } | { readonly broken: unknown }> {
    const askedMs = performance.now()
    try {
      const { done, value } = await body.next()
      if (done === true) return { chunk: undefined }
      if (!this.#pace.add(value.length, performance.now() - askedMs)) throw tooSlow()
      return { chunk: value }
    } catch (broken) {
      this.#throwIfOver()
      if (broken instanceof FetchError) throw broken
      return { broken }
    }
  }

  #isShort(): boolean {
    return this.totalBytes !== undefined && this.#receivedBytes < this.totalBytes
  }

  /** Asks for the rest, or for all of it while nothing has come. */
  async #goOn(cause: unknown): Promise<{ readonly answer: Answer; readonly skipBytes: number }> {
    const known = this.#known
    this.#breaks += 1
    if (this.#breaks > (this.#receivedBytes === 0 ? MAX_TRIES : MAX_BREAKS)) throw interrupted(cause)
    await this.#pause(1, undefined)
    if (this.#receivedBytes === 0) return { answer: await this.open(), skipBytes: 0 }
    const validator = known && validatorOf(known)
    if (known === undefined || validator === undefined) throw interrupted(cause)
    const range = { range: `bytes=${this.#receivedBytes}-`, 'if-range': validator }
    const answer = await this.#patiently(async () => await this.#ask(range))
    const continuation = continuationOf(answer, known, this.#receivedBytes)
    if (continuation !== undefined) return { answer, ...continuation }
    answer.body.on('error', ignore).destroy()
    throw new FetchError('fetch.interrupted', 'The recording was replaced while it was fetched.', { cause })
  }

  async #ask(headers: Readonly<Record<string, string>>): Promise<Answer> {
    const { client } = this.#options
    return requireRecording(await ask(client, { url: this.#url, headers, signal: this.#signal }))
  }

  /** Again and again while it may pass in a moment. */
  async #patiently(action: () => Promise<Answer>): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await action()
      } catch (error) {
        this.#throwIfOver()
        if (!(error instanceof FetchError) || error.code !== 'fetch.unreachable' || tries === MAX_TRIES) throw error
        await this.#pause(tries, error.retryAfterMs)
      }
    }
  }

  async #pause(tries: number, askedMs: number | undefined): Promise<void> {
    const { firstPauseMs = FIRST_PAUSE_MS } = this.#options
    const pauseMs = firstPauseMs * 2 ** (tries - 1) * (0.5 + Math.random())
    await delay(Math.max(pauseMs, askedMs ?? 0), undefined, { signal: this.#signal }).catch(() => this.#throwIfOver())
  }

  /** @throws the caller's reason, or that the time is over */
  #throwIfOver(): void {
    this.#options.signal.throwIfAborted()
    if (!this.#timeout.aborted) return
    const seconds = this.#options.limitMs / 1000
    throw new FetchError(
      'fetch.too_slow',
      `The recording was not there within the ${seconds} s that fetching it may take.`,
    )
  }

  #tooLarge(): FetchError {
    const { maxBytes } = this.#options
    return new FetchError(
      'fetch.too_large',
      `The recording has more than the ${maxBytes} bytes that this server takes (SOTTO_MAX_UPLOAD_BYTES).`,
    )
  }
}

function partial(answer: Answer): FetchError {
  answer.body.on('error', ignore).destroy()
  return new FetchError(
    'fetch.bad_answer',
    `The URL’s server answered ${answer.statusCode} with a part, where the whole was asked for.`,
  )
}

function interrupted(cause: unknown): FetchError {
  return new FetchError(
    'fetch.interrupted',
    'The recording broke off while it was fetched, and its server can’t go on where it did.',
    { cause },
  )
}

function tooSlow(): FetchError {
  return new FetchError('fetch.too_slow', 'The URL’s server sends the recording too slowly to be waited for.')
}
