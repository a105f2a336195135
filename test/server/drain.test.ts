import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { Server, temporaryFolder } from '../support/server.ts'

test('a server that is asked to stop says so to load balancers, and answers until they have turned away', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_DRAIN: '3600' } })
  const client = new Client(server.url, server.newKey ?? '')
  const ended = server.end('SIGTERM')
  const ready = async () => (await (await fetch(`${server.url}/readyz`)).json()) as { readonly status: string }
  await expect.poll(async () => (await ready()).status, { interval: 10 }).toBe('stopping')
  expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
  expect((await client.fetch('/v1/models')).status).toBe(200)
  // Whoever asks again does not wait for the hour.
  await server.end('SIGTERM')
  await ended
})

test('and then ends in order', async () => {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_DRAIN: '1' } })
  expect(await server.end('SIGTERM')).toBe(0)
})
