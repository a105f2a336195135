import { callbackify, promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { LRUCache } from 'lru-cache'
import Negotiator from 'negotiator'
import { addVary } from './vary.ts'

declare module 'fastify' {
  interface FastifyReply {
    /** What names this body for good, where it never changes: compressed once, it is kept under that. */
    immutableName: string | null
  }
}

/** Characters. Below, it is not worth the client's and the server's time. */
const MIN_LENGTH = 2 ** 14
/** Of compressed bodies that are kept, in bytes. */
const REMEMBERED = 2 ** 25
/** At the same time: they run in libuv's four threads, which files are read by as well. */
const MAX_RUNNING = 2

type Encoding = 'gzip' | 'br'
/** In the order of the server's liking, where the client has none. */
const ENCODINGS: readonly Encoding[] = ['gzip', 'br']

const COMPRESS: Readonly<Record<Encoding, (body: Buffer) => Promise<Buffer>>> = {
  gzip: promisify(gzip),
  // Its default quality, 11, takes seconds for an hour's result; this one as long as gzip, for fewer bytes.
  br: (body) =>
    promisify(brotliCompress)(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    }),
}

/**
 * Compresses large texts, such as results, for clients that take it. Streams, such as server-sent events, and what has an encoding already
 * are left as they are.
 */
export function addCompression(api: FastifyInstance): void {
  const bodies = new CompressedBodies()
  const compress = callbackify(async (reply: FastifyReply, payload: string, encoding: Encoding): Promise<Buffer> => {
    const compressed = await bodies.compress(payload, encoding, reply.immutableName)
    const etag = reply.getHeader('etag')
    // A strong one names these very bytes, which are others now.
    if (typeof etag === 'string' && !etag.startsWith('W/')) reply.header('etag', `W/${etag}`)
    reply.header('content-encoding', encoding).removeHeader('content-length')
    return compressed
  })
  api.decorateReply('immutableName', null)
  // By callbacks: most answers are small, and none of them is to wait for a promise.
  api.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || payload.length < MIN_LENGTH || reply.hasHeader('content-encoding')) {
      done(null, payload)
      return
    }
    addVary(reply, 'Accept-Encoding')
    const encoding = encodingFor(request.headers)
    if (encoding === undefined) done(null, payload)
    else compress(reply, payload, encoding, done)
  })
}

/** Undefined: the client takes none of them, or likes the text better as it is. */
function encodingFor(headers: Negotiator.Headers): Encoding | undefined {
  const liked = new Negotiator({ headers }).encoding([...ENCODINGS, 'identity'])
  return ENCODINGS.find((encoding) => encoding === liked)
}

/** Compresses a few bodies at the same time, and those that never change once for all who ask. */
export class CompressedBodies {
  readonly #kept = new LRUCache<string, Buffer>({ maxSize: REMEMBERED, sizeCalculation: ({ length }) => length })
  readonly #making = new Map<string, Promise<Buffer>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** @param name names the body where it never changes */
  async compress(body: string, encoding: Encoding, name: string | null): Promise<Buffer> {
    if (name === null) return await this.#run(body, encoding)
    const key = `${encoding} ${name}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    let making = this.#making.get(key)
    if (making === undefined) {
      making = this.#make(key, body, encoding).finally(() => this.#making.delete(key))
      this.#making.set(key, making)
    }
    return await making
  }

  async #make(key: string, body: string, encoding: Encoding): Promise<Buffer> {
    const compressed = await this.#run(body, encoding)
    this.#kept.set(key, compressed)
    return compressed
  }

  async #run(body: string, encoding: Encoding): Promise<Buffer> {
    if (this.#running >= MAX_RUNNING) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running += 1
    try {
      return await COMPRESS[encoding](Buffer.from(body))
    } finally {
      // The place passes on to the next one.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
