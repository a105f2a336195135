import type { Server } from 'node:http'

const MESSAGE = 'Expect takes 100-continue, or is left out.'

/** Node answers an `Expect` that it does not know by a bare 417; here every error has the same shape. */
export function answerUnknownExpectations(server: Server): void {
  server.on('checkExpectation', (_request, response) => {
    const body = JSON.stringify({ code: 417, message: MESSAGE })
    const headers = { 'content-type': 'application/json; charset=utf-8', connection: 'close' }
    response.writeHead(417, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
  })
}
