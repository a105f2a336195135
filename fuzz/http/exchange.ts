import { once } from 'node:events'
import { connect } from 'node:net'

export interface Answer {
  readonly kind: 'answer'
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
}

/** In a head, which comes in one piece, perhaps behind an interim answer. */
const EVENT_STREAM = /(?:^|\r\n\r\n)HTTP\/1\.1 200 [^]*\r\ncontent-type: text\/event-stream/i

/** `closed`: the connection ended without an answer. `silent`: nothing came in time. */
export type Outcome = Answer | { readonly kind: 'closed' } | { readonly kind: 'silent' }

/**
 * Sends bytes as they are on a connection of their own, and reads the first answer until the server ends the connection, as
 * `connection: close` asks for.
 * @param options `endsAfter`: nothing more is sent, which ends requests that say that there is more
 */
export async function exchange(
  url: string,
  bytes: Buffer,
  options: { readonly limitMs: number; readonly endsAfter?: boolean },
): Promise<Outcome> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const chunks: Buffer[] = []
  // What has arrived by then is the answer: a server that refuses a body may reset the connection behind its answer.
  socket.on('error', () => undefined)
  if (options.endsAfter === true) socket.end(bytes)
  else socket.write(bytes)
  const ended = new AbortController()
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    // It goes on for as long as its job does.
    if (EVENT_STREAM.test(chunk.toString('latin1'))) ended.abort()
  })
  const limit = AbortSignal.timeout(options.limitMs)
  socket.once('end', () => ended.abort())
  socket.once('close', () => ended.abort())
  await once(AbortSignal.any([ended.signal, limit]), 'abort')
  socket.destroy()
  const answer = parseAnswer(Buffer.concat(chunks))
  if (answer !== undefined) return answer
  return { kind: limit.aborted ? 'silent' : 'closed' }
}

/** Undefined: it is none, or not complete. Interim answers (1xx) are passed over. */
export function parseAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  const [first = '', ...lines] = bytes.subarray(0, Math.max(end, 0)).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1])
  if (end === -1 || Number.isNaN(status)) return undefined
  const rest = bytes.subarray(end + 4)
  if (status < 200) return parseAnswer(rest)
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    }),
  )
  // What follows is the answer to whatever the server took for another request.
  const own = rest.subarray(0, Number(headers.get('content-length') ?? rest.length))
  const body = headers.get('transfer-encoding') === 'chunked' ? joinChunks(rest) : own
  return { kind: 'answer', status, headers, body }
}

function joinChunks(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const length = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    if (lineEnd === -1 || Number.isNaN(length) || length === 0) break
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + length))
    at = lineEnd + 2 + length + 2
  }
  return Buffer.concat(parts)
}
