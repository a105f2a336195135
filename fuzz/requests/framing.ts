import { choose } from '../../test/support/random.ts'

/** A request as it goes over the wire. */
export interface RawRequest {
  readonly method: string
  readonly target: string
  readonly bytes: Buffer
  /** Whether it is framed as HTTP/1.1 wants it; what is not may go without an answer. */
  readonly isWellFramed: boolean
}

interface Parts {
  readonly method: string
  readonly target: string
  readonly headers: readonly [string, string][]
  readonly body: Buffer
}

type Framing = (body: Buffer, random: () => number) => { readonly headers: readonly string[]; readonly bytes: Buffer }

/** What says where a body ends, and does not, or does so twice. */
const BROKEN: readonly Framing[] = [
  (body) => ({ headers: [`content-length: ${body.length + 10}`], bytes: body }),
  (body) => ({ headers: [`content-length: ${Math.max(0, body.length - 5)}`], bytes: body }),
  (body) => ({ headers: ['content-length: -1'], bytes: body }),
  (body) => ({ headers: ['content-length: 99999999999999999999'], bytes: body }),
  (body) => ({ headers: ['content-length: 1e3'], bytes: body }),
  (body) => ({ headers: [`content-length: ${body.length}`, 'content-length: 3'], bytes: body }),
  (body) => ({ headers: [`content-length: ${body.length}`, 'transfer-encoding: chunked'], bytes: chunked(body) }),
  (body) => ({ headers: ['transfer-encoding: chunked, identity'], bytes: chunked(body) }),
  (body) => ({ headers: ['transfer-encoding: gzip'], bytes: body }),
  (body) => ({ headers: ['transfer-encoding: chunked'], bytes: body }),
  (body) => ({
    headers: ['transfer-encoding: chunked'],
    bytes: Buffer.concat([Buffer.from('ffffffffffffffff1\r\n'), body]),
  }),
  (body) => ({ headers: ['transfer-encoding: chunked'], bytes: chunked(body).subarray(0, -5) }),
  (body) => ({ headers: [`content-length : ${body.length}`], bytes: body }),
  (body) => ({ headers: [' folded: yes', `content-length: ${body.length}`], bytes: body }),
  (body) => ({ headers: ['x-nul: a\0b', `content-length: ${body.length}`], bytes: body }),
  (body) => ({ headers: ['no colon at all', `content-length: ${body.length}`], bytes: body }),
  (body) => ({ headers: ['host: one', 'host: two', `content-length: ${body.length}`], bytes: body }),
  (body) => ({ headers: Array.from({ length: 3000 }, (_, n) => `x-${n}: 1`), bytes: body }),
]

export function frame({ method, target, headers, body }: Parts, random: () => number): RawRequest {
  const isWellFramed = random() < 0.93
  const lines = headers.map(([name, value]) => `${name}: ${inHeader(value)}`)
  if (isWellFramed) {
    const isChunked = body.length > 0 && random() < 0.15
    const length = body.length > 0 || random() < 0.3 ? [`content-length: ${body.length}`] : []
    const ofBody = isChunked ? ['transfer-encoding: chunked'] : length
    const head = [`${method} ${target} HTTP/1.1`, ...lines, ...ofBody, 'connection: close', '', ''].join('\r\n')
    return {
      method,
      target,
      isWellFramed,
      bytes: Buffer.concat([Buffer.from(head, 'latin1'), isChunked ? chunked(body) : body]),
    }
  }
  const version = choose(
    ['HTTP/1.1', 'HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTQ/1.1', ''],
    random,
  )
  const lineEnd = choose(['\r\n', '\r\n', '\r\n', '\n', '\r'], random)
  const broken = choose(BROKEN, random)(body, random)
  const head = [`${method} ${target} ${version}`, ...lines, ...broken.headers, '', ''].join(lineEnd)
  return { method, target, isWellFramed, bytes: Buffer.concat([Buffer.from(head, 'latin1'), broken.bytes]) }
}

/** Without what would end the line; everything else that Latin-1 has. */
function inHeader(value: string): string {
  const bytes = Buffer.from(value)
  for (const [at, byte] of bytes.entries()) if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) bytes[at] = 0x3f
  return bytes.toString('latin1')
}

function chunked(body: Buffer): Buffer {
  const half = Math.ceil(body.length / 2)
  const pieces = [body.subarray(0, half), body.subarray(half)].filter(({ length }) => length > 0)
  return Buffer.concat([
    ...pieces.flatMap((piece) => [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
    Buffer.from('0\r\n\r\n'),
  ])
}
