import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below what Linux and macOS hand out to connections that leave: none of those can have it, or connect to itself. */
const FIRST_PORT = 20_000
const LAST_PORT = 32_000

/**
 * A port of 127.0.0.1 that nobody listens on, for a program that cannot listen on port 0 or has to come back on the same port.
 * Another process may take it first, so the caller has to be ready to ask again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT))
    const server = createServer()
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      return port
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    } finally {
      server.close()
    }
  }
}
