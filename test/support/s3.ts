import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { MARKER_KEY } from '../../src/jobs/keeping/installation.ts'
import { MemoryBucket, S3Error } from './s3-memory.ts'
import { missingVerbs } from './s3-verbs.ts'
import type { S3Context, S3Middleware } from './s3-verbs.ts'

const require = createRequire(import.meta.url)

interface S3rver {
  readonly middleware: S3Middleware[]
  readonly context: { store: unknown }
  store: unknown
  readonly httpServer: Server
  readonly logger: { close: () => void }
  run(): Promise<AddressInfo>
}

const S3rver = require('@20minutes/s3rver') as new (options: Readonly<Record<string, unknown>>) => S3rver

export const BUCKET = 'sotto-test'
/** The only ones that s3rver knows. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }

/** A request that reached the S3, before it is carried out. */
export interface S3Request {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string | undefined>>
  readonly range: string | undefined
  /** Answers it with an error of S3, such as `AccessDenied`. */
  readonly refuse: (code: string) => never
  /** Ends the connection after so many bytes of the answer. */
  readonly cutAfter: (bytes: number) => void
}

/** An S3 with one private bucket, on a port of its own: s3rver's protocol and signatures before a store in memory. */
export class S3 implements AsyncDisposable {
  readonly bucket = new MemoryBucket(BUCKET)
  readonly #pageLength: number
  #server: S3rver | undefined
  #port = 0
  /** Sees each request first; what it waits for, the request waits for. */
  intercept: ((request: S3Request) => Promise<void> | void) | undefined

  private constructor(pageLength: number) {
    this.#pageLength = pageLength
  }

  /** @param options `pageLength`: entries of a list's answer at most */
  static async start(options: { readonly pageLength?: number } = {}): Promise<S3> {
    const s3 = new S3(options.pageLength ?? 1000)
    await s3.resume()
    return s3
  }

  /** What the AWS SDK is told of it by. */
  get environment(): Readonly<Record<string, string>> {
    return {
      ...CREDENTIALS,
      AWS_SESSION_TOKEN: '',
      AWS_PROFILE: '',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL: '',
      AWS_ENDPOINT_URL_S3: this.url,
      SOTTO_S3_PATH_STYLE: 'on',
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The names of its objects but the installation's own, and of uploads in parts that are not completed. */
  get contents(): readonly string[] {
    const unfinished = [...this.bucket.uploads.values()].map(({ key, id }) => `${key}?uploadId=${id}`)
    const objects = [...this.bucket.objects.keys()].filter((key) => !key.endsWith(MARKER_KEY))
    return [...objects, ...unfinished].sort()
  }

  /** Nobody answers on its port any more; what lies in it stays. */
  async pause(): Promise<void> {
    const server = this.#server?.httpServer
    if (server === undefined) return
    this.#server = undefined
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    server.closeAllConnections()
    await closed
  }

  /** Answers again, on the port that it had, if it does not. */
  async resume(): Promise<void> {
    if (this.#server !== undefined) return
    const server = new S3rver({ address: '127.0.0.1', port: this.#port, silent: true, vhostBuckets: false })
    server.store = server.context.store = this.bucket
    // It is closed with the server, and complains of requests that end later.
    server.logger.close = () => undefined
    // The last one is the router.
    server.middleware.splice(-1, 0, this.#interception(), missingVerbs(this.bucket, this.#pageLength))
    this.#port = (await server.run()).port
    this.#server = server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pause()
  }

  #interception(): S3Middleware {
    return async (context, next) => {
      let cut = Infinity
      await this.intercept?.({
        method: context.method,
        path: context.path,
        query: context.query,
        range: context.headers['range'],
        refuse: (code) => {
          throw new S3Error(code, `${code}, as the test has it.`)
        },
        cutAfter: (bytes) => (cut = bytes),
      })
      await next()
      if (cut < Infinity && context.body instanceof Readable) cutBody(context, context.body, cut)
    }
  }
}

function cutBody(context: S3Context, body: Readable, bytes: number): void {
  const { length, res } = context
  const sent = (): boolean => (res.socket?.bytesWritten ?? Infinity) >= bytes && res.socket?.writableLength === 0
  const shortened = async function* (): AsyncGenerator<Buffer> {
    let left = bytes
    for await (const chunk of body as AsyncIterable<Buffer>) {
      yield chunk.subarray(0, left)
      left -= Math.min(left, chunk.length)
      if (left > 0) continue
      while (!res.destroyed && !sent()) await setImmediate()
      res.destroy()
      return
    }
  }
  context.body = Readable.from(shortened(), { objectMode: false })
  context.length = length
}
