import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'

/** Answers as a server does, until it is told to do nothing else than compute for so many milliseconds. */
const server = createServer((_request, response) => response.end('ok'))
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('message', (blockedMs: number) => {
  const endMs = performance.now() + blockedMs
  while (performance.now() < endMs);
})
process.on('disconnect', () => process.exit())
