import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { choose } from '../../test/support/random.ts'

const COMMIT = '0123456789abcdef0123456789abcdef01234567'
const SHA1 = 'a'.repeat(40)
const SHA256 = 'b'.repeat(64)
/** Until somebody has had enough. */
const FLOOD_BYTES = 400 * 2 ** 20

type Respond = (request: IncomingMessage, response: ServerResponse) => void

interface Behaviour {
  readonly name: string
  readonly revision: Respond
  readonly file: Respond
}

const answer =
  (status: number, body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Respond =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)

const info = (siblings: unknown, sha: unknown = COMMIT): string => JSON.stringify({ id: 'fuzz/x', sha, siblings })
const small = (rfilename: unknown, size: unknown = 3): unknown => ({ rfilename, size, blobId: SHA1 })
const large = (rfilename: unknown, size: unknown): unknown => ({ rfilename, size, lfs: { sha256: SHA256, size } })
/** What a model has at least. */
const files = (size: unknown): unknown => [
  ...['config.json', 'tokenizer.json'].map((name) => small(name, size)),
  large('model.safetensors', size),
]

/** Sends for as long as anybody reads; the sender's own memory stays small. */
const flood: Respond = (_request, response) => {
  const piece = Buffer.alloc(2 ** 20, ' ')
  let sent = 0
  const more = (): void => {
    while (sent < FLOOD_BYTES && !response.destroyed) {
      sent += piece.length
      if (!response.write(piece)) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  more()
}

const cut: Respond = (_request, response) => {
  response.writeHead(200, { 'content-length': 1000 })
  response.write('{"sha":', () => response.destroy())
}

const toNothing: Respond = answer(404, '{}')
const junk: Respond = answer(200, 'not what was announced')

const BAD_INFOS: readonly (readonly [string, string])[] = [
  ['no JSON', '<html>'],
  ['nothing', ''],
  ['null', 'null'],
  ['nested JSON', '['.repeat(100_000)],
  ['no commit', info(files(3), null)],
  ['a commit that is a path', info(files(3), '../../../../tmp')],
  ['no files', info([])],
  ['files that are no list', info({})],
  [
    'a file outside',
    info([...(files(3) as unknown[]), small('../../../outside'), small('/etc/outside'), small('a/../../b')]),
  ],
  [
    'names that are no names',
    info([small(''), small('\0'), small('.'), small(null), small('a'.repeat(1000)), small('__proto__')]),
  ],
  ['a size beyond all disks', info(files(2 ** 53 - 1))],
  ['a negative size', info(files(-1))],
  ['a size that is no number', info(files('3'))],
  ['100,001 files', info(Array.from({ length: 100_001 }, (_, n) => small(`f${n}`)))],
  ['the same file many times', info(Array.from({ length: 1000 }, () => small('config.json')))],
  ['hashes that are paths', info([{ rfilename: 'config.json', size: 3, blobId: '../../outside' }])],
]

const BEHAVIOURS: readonly Behaviour[] = [
  ...BAD_INFOS.map(([name, body]) => ({ name, revision: answer(200, body), file: junk })),
  ...[400, 401, 403, 404, 418, 429, 500, 503].map((status) => ({
    name: `${status}`,
    revision: answer(status, 'no'),
    file: toNothing,
  })),
  { name: 'a flood', revision: flood, file: toNothing },
  { name: 'cut off', revision: cut, file: toNothing },
  { name: 'junk in gzip', revision: answer(200, 'junk', { 'content-encoding': 'gzip' }), file: toNothing },
  {
    name: 'a redirect to itself',
    revision: (request, response) => void response.writeHead(302, { location: request.url ?? '/' }).end(),
    file: toNothing,
  },
  { name: 'a redirect to a file', revision: answer(302, '', { location: 'file:///etc/passwd' }), file: toNothing },
  { name: 'a redirect to nowhere', revision: answer(302, '', { location: 'http://127.0.0.1:1/' }), file: toNothing },
  { name: 'files that are a flood', revision: answer(200, info(files(1000))), file: flood },
  { name: 'files that are cut off', revision: answer(200, info(files(1000))), file: cut },
  { name: 'files that are junk', revision: answer(200, info(files(22))), file: junk },
  { name: 'files that are not there', revision: answer(200, info(files(1000))), file: toNothing },
  {
    name: 'files that redirect to themselves',
    revision: answer(200, info(files(1000))),
    file: (request, response) => void response.writeHead(302, { location: request.url ?? '/' }).end(),
  },
  {
    name: 'an index that is none',
    revision: answer(200, info([small('config.json', 22), small('model.safetensors.index.json', 22)])),
    file: junk,
  },
]

/** A hub that answers about each model in another wrong way, the same for the same numbers. */
export class HostileHub implements AsyncDisposable {
  readonly #server: Server
  readonly #behaviours: ReadonlyMap<string, Behaviour>

  private constructor(behaviours: ReadonlyMap<string, Behaviour>) {
    this.#behaviours = behaviours
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async start(models: ReadonlyMap<string, () => number>): Promise<HostileHub> {
    const hub = new HostileHub(new Map([...models].map(([id, random]) => [id, choose(BEHAVIOURS, random)])))
    hub.#server.listen(0, '127.0.0.1')
    await once(hub.#server, 'listening')
    return hub
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  nameOf(model: string): string {
    return this.#behaviours.get(model)?.name ?? 'none'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [, ofApi, ofFile] = /^(?:\/api\/models\/([^/]+\/[^/]+)|\/([^/]+\/[^/]+))\//.exec(request.url ?? '') ?? []
    const behaviour = this.#behaviours.get(ofApi ?? ofFile ?? '')
    if (behaviour === undefined) response.writeHead(404).end()
    else if (ofApi !== undefined) behaviour.revision(request, response)
    else behaviour.file(request, response)
  }
}
