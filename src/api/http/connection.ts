import { STATUS_CODES, ServerResponse } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Whether the request announces a body. */
export function hasBody({ headers }: FastifyRequest): boolean {
  const length = headers['content-length']
  return (length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined
}

/**
 * Ends the connection of every request that is answered before its body has come: what is still sent would be read, and thrown away, for as
 * long as the client likes. A client that asks whether it may send its body (`Expect: 100-continue`) is told so when it is known.
 */
export function addConnectionEnds(api: FastifyInstance, lingerMs: number): void {
  api.addHook('onSend', (request, reply, _payload, done) => {
    if (hasBody(request) && !request.raw.complete) closeAfterAnswer(request, reply, lingerMs)
    done()
  })
  const waiting = new WeakSet<IncomingMessage>()
  api.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.add(request)
    api.server.emit('request', request, response)
  })
  api.addHook('preParsing', (request, reply, _payload, done) => {
    if (waiting.delete(request.raw)) reply.raw.writeContinue()
    done()
  })
}

/**
 * A lingering close: Node would close the connection with the answer, and a client that is still sending would see a reset, perhaps before
 * it has read the answer. So FIN is sent first, and what comes within `lingerMs` is discarded.
 */
function closeAfterAnswer(request: FastifyRequest, reply: FastifyReply, lingerMs: number): void {
  reply.header('connection', 'close')
  const { raw } = request
  const { socket } = raw
  socket.destroySoon = () => {
    raw.resume()
    socket.end()
    const timer = setTimeout(() => socket.destroy(), lingerMs)
    socket.once('close', () => clearTimeout(timer))
  }
}

const BROKEN: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request’s headers did not arrive in time.'],
  HPE_HEADER_OVERFLOW: [431, 'The request’s headers are larger than this server takes.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'The extensions of a chunk are larger than this server takes.'],
}

/** Answers what is no HTTP, in the form of all errors, and ends its connection. */
export function answerBrokenHttp(error: Error & { readonly code?: unknown }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  // Within an answer that has begun, another one would be taken for a part of it. Node's own handler looks at the same.
  const answering: unknown = Reflect.get(socket, '_httpMessage')
  if (!socket.writable || (answering instanceof ServerResponse && answering.headersSent)) {
    socket.destroy(error)
    return
  }
  const [status, message] = BROKEN[String(error.code)] ?? [400, 'The request is not valid HTTP.']
  const body = JSON.stringify({ code: status, message })
  socket.write(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/json; charset=utf-8',
      'X-Content-Type-Options: nosniff',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
  socket.destroySoon()
}
