import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { Readable, pipeline } from 'node:stream'

/** What goes wrong, each so many times. */
export interface HubFaults {
  /** The CDN ends the connection after so many bytes of a large file. */
  cutAfterBytes?: { readonly bytes: number; times: number }
  /** The CDN answers 500. */
  serverErrors?: number
  /** The CDN sends other bytes than announced. */
  corruptions?: number
  /** The CDN ignores Range. */
  ignoresRanges?: boolean
  /** The CDN waits with large files until this resolves. */
  hold?: Promise<void>
  /** What the hub says of a repository, in place of the truth; undefined: the truth. */
  answer?: (truth: HubTruth) => HubAnswer | undefined
}

/** What the hub's API says of a repository. */
export interface HubTruth {
  readonly id: string
  readonly sha: string
  readonly siblings: readonly HubSibling[]
}

export interface HubSibling {
  readonly rfilename: string
  readonly size: number
  readonly blobId: string
  readonly lfs?: { readonly sha256: string; readonly size: number }
}

export interface HubAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Iterable<Buffer>
}

export interface HubRequest {
  readonly origin: 'hub' | 'cdn'
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/** Files above this are large, and come from another origin, as on the real hub. */
const LARGE_BYTES = 1_000_000

interface HubFile {
  readonly name: string
  readonly content: Buffer
  readonly sha256: string
  readonly gitSha1: string
}

/** A small hub in the Hugging Face hub's URL layout: an API, and a second origin for the large files. */
export class Hub implements AsyncDisposable {
  readonly requests: HubRequest[] = []
  readonly commit = '0123456789abcdef0123456789abcdef01234567'
  readonly #models: ReadonlyMap<string, readonly HubFile[]>
  readonly #faults: HubFaults
  readonly #token: string | undefined
  readonly #hub: Server
  readonly #cdn: Server

  private constructor(models: ReadonlyMap<string, readonly HubFile[]>, faults: HubFaults, token: string | undefined) {
    this.#models = models
    this.#faults = faults
    this.#token = token
    this.#hub = createServer((request, response) => this.#answer(request, response))
    this.#cdn = createServer((request, response) => void this.#deliver(request, response))
  }

  /**
   * @param models folders by the ids that they are served under
   * @param token without it, the hub answers 401
   */
  static async start(
    models: Readonly<Record<string, string>>,
    options: { readonly faults?: HubFaults; readonly token?: string } = {},
  ): Promise<Hub> {
    const entries = Object.entries(models).map(async ([id, folder]) => [id, await readFolder(folder)] as const)
    const hub = new Hub(new Map(await Promise.all(entries)), options.faults ?? {}, options.token)
    for (const server of [hub.#hub, hub.#cdn]) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    return hub
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`
  }

  /** GETs of a file's bytes. */
  downloads(file: string): readonly HubRequest[] {
    return this.requests.filter(({ origin, path }) => path.endsWith(file) && (origin === 'cdn' || !this.#isLarge(path)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }

  #isLarge(path: string): boolean {
    return (this.#find(path)?.content.length ?? 0) > LARGE_BYTES
  }

  #find(path: string): HubFile | undefined {
    const [, id = '', name] = /^\/([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path) ?? []
    return this.#models.get(id)?.find((file) => file.name === name)
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '')
    this.#note('hub', path, request)
    if (this.#token !== undefined && request.headers.authorization !== `Bearer ${this.#token}`) {
      response.writeHead(401).end()
      return
    }
    const id = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/[^/]+$/.exec(path)?.[1]
    const files = this.#models.get(id ?? '')
    if (files !== undefined) {
      const siblings = files.map((file) => ({
        rfilename: file.name,
        size: file.content.length,
        blobId: file.gitSha1,
        ...(file.content.length > LARGE_BYTES ? { lfs: { sha256: file.sha256, size: file.content.length } } : {}),
      }))
      const truth = { id: id ?? '', sha: this.commit, siblings }
      const { status = 200, headers = {}, body } = this.#faults.answer?.(truth) ?? { body: JSON.stringify(truth) }
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      pipeline(Readable.from(typeof body === 'string' ? [body] : body), response, () => undefined)
      return
    }
    const file = this.#find(path)
    if (file === undefined) response.writeHead(404).end()
    else if (file.content.length > LARGE_BYTES) {
      response
        .writeHead(302, { location: `http://127.0.0.1:${(this.#cdn.address() as AddressInfo).port}${path}` })
        .end()
    } else response.writeHead(200, { 'content-length': file.content.length }).end(file.content)
  }

  async #deliver(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    this.#note('cdn', path, request)
    await this.#faults.hold
    const file = this.#find(path)
    if (file === undefined) {
      response.writeHead(404).end()
      return
    }
    if ((this.#faults.serverErrors ?? 0) > 0) {
      this.#faults.serverErrors = (this.#faults.serverErrors ?? 0) - 1
      response.writeHead(500).end()
      return
    }
    const from =
      this.#faults.ignoresRanges === true ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    let content = file.content.subarray(from)
    if ((this.#faults.corruptions ?? 0) > 0) {
      this.#faults.corruptions = (this.#faults.corruptions ?? 0) - 1
      content = Buffer.alloc(content.length)
    }
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length })
    const cut = this.#faults.cutAfterBytes
    if (cut !== undefined && cut.times > 0) {
      cut.times -= 1
      response.write(content.subarray(0, cut.bytes), () => response.destroy())
    } else response.end(content)
  }

  #note(origin: HubRequest['origin'], path: string, { headers }: IncomingMessage): void {
    this.requests.push({ origin, path, range: headers.range, authorization: headers.authorization })
  }
}

async function readFolder(folder: string): Promise<readonly HubFile[]> {
  const names = await readdir(folder)
  return await Promise.all(
    names.map(async (name) => {
      const content = await readFile(join(folder, name))
      return {
        name,
        content,
        sha256: createHash('sha256').update(content).digest('hex'),
        gitSha1: createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex'),
      }
    }),
  )
}
