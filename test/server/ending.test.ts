import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { expect, test } from 'vitest'
import { PROJECT, Server, temporaryFolder } from '../support/server.ts'

/** A database that takes connections and says nothing. */
async function silentDatabase(): Promise<{ url: string; asked: Promise<unknown> } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)))
  const asked = once(server, 'connection')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `postgres://sotto:secret@127.0.0.1:${port}/sotto`,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s while a server starts ends it in order, with nothing left',
  async (signal) => {
    await using folder = await temporaryFolder()
    await using database = await silentDatabase()
    const child = spawn(process.execPath, [join(PROJECT, 'bin/sotto.js'), 'api', '--port', '0'], {
      env: {
        ...{ PATH: process.env['PATH'], SOTTO_DATA_DIR: folder.path, DATABASE_URL: database.url },
        ...{ SOTTO_PAYLOADS: 's3://bucket', AWS_REGION: 'none', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let output = ''
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const closed = once(child, 'close')
    await database.asked
    child.kill(signal)
    expect(await closed).toEqual([0, null])
    expect(output).toContain('asked to end before it had started')
    expect(await readdir(join(folder.path, 'tmp'))).toEqual([])
  },
)

test('a second signal ends the time in which a server still answers, and not in disorder', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_DRAIN: '3600' } })
  const ended = server.end('SIGTERM')
  const status = async (): Promise<unknown> =>
    ((await (await fetch(`${server.url}/readyz`)).json()) as { status: unknown }).status
  await expect.poll(status).toBe('stopping')
  process.kill(server.pid, 'SIGTERM')
  expect(await ended).toBe(0)
  expect(await readdir(join(folder.path, 'tmp'))).toEqual([])
})
