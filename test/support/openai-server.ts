import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'

/** What the server does with a transcription request, once it has read it. */
export type Behaviour =
  | {
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body: string | object
      /** The answer waits for this. */
      readonly after?: Promise<void>
    }
  /** Never answers. */
  | 'hang'
  /** Breaks the connection off before, or within, the answer. */
  | 'cut'
  | 'cut-within'

export interface RecordedRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Values by the fields' names. */
  readonly fields: Readonly<Record<string, readonly string[]>>
  readonly file: { readonly name: string; readonly bytes: number; readonly sha256: string }
}

/** A server that speaks OpenAI's transcription API as far as a client can tell. It transcribes nothing: it is told its answers. */
export class OpenAiServer implements AsyncDisposable {
  /** Transcriptions and translations that were asked for, once read. */
  readonly requests: RecordedRequest[] = []
  /** What it does with the next requests, in turn; with all after them, the last one's behaviour. */
  behaviours: Behaviour[]
  /** Connections that the client closed while it waited for an answer. */
  abandoned = 0
  /** What `GET /models` is answered with. */
  modelsStatus = 200
  readonly #server: Server

  private constructor(behaviours: readonly Behaviour[]) {
    this.behaviours = [...behaviours]
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async start(...behaviours: readonly Behaviour[]): Promise<OpenAiServer> {
    const server = new OpenAiServer(behaviours)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  /** Without a path. */
  get origin(): string {
    const { port } = this.#server.address() as AddressInfo
    return `http://127.0.0.1:${port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    if (request.method === 'GET' && path === '/v1/models') {
      response.writeHead(this.modelsStatus).end('{"object": "list", "data": []}')
      return
    }
    if (request.method !== 'POST' || !/^\/v1\/audio\/(transcriptions|translations)$/.test(path)) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"detail": "Not Found"}')
      return
    }
    try {
      this.requests.push(await record(request))
    } catch {
      // The client went away within its upload.
      return
    }
    const behaviour = this.behaviours.length > 1 ? this.behaviours.shift() : this.behaviours[0]
    await this.#behave(behaviour ?? 'hang', response)
  }

  async #behave(behaviour: Behaviour, response: ServerResponse): Promise<void> {
    if (behaviour === 'cut') {
      response.destroy()
      return
    }
    if (behaviour === 'cut-within') {
      response.writeHead(200, { 'content-length': '1000' }).write('{"text": "half', () => response.destroy())
      return
    }
    response.on('close', () => {
      if (!response.writableEnded) this.abandoned += 1
    })
    if (behaviour === 'hang') return
    await behaviour.after
    const { status = 200, headers = {}, body } = behaviour
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

async function record(request: IncomingMessage): Promise<RecordedRequest> {
  const form = await new Response(Readable.toWeb(request) as ReadableStream, {
    headers: { 'content-type': request.headers['content-type'] ?? '' },
  }).formData()
  const file = form.get('file')
  if (!(file instanceof File)) throw new Error('the request has no file')
  const fields: Record<string, string[]> = {}
  for (const [name, value] of form) {
    if (typeof value === 'string') (fields[name] ??= []).push(value)
  }
  const content = Buffer.from(await file.arrayBuffer())
  const sha256 = createHash('sha256').update(content).digest('hex')
  return {
    path: request.url ?? '',
    headers: request.headers,
    fields,
    file: { name: file.name, bytes: content.length, sha256 },
  }
}
