import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, temporaryFolder } from '../support/server.ts'
import { untilWindows, windowsOf } from '../support/window-log.ts'

let stack: AsyncDisposableStack
let client: Client
let server: Server
let dataDir: string

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  dataDir = stack.use(await temporaryFolder()).path
  server = stack.use(await Server.start({ dataDir, arguments: ['--batch', '1', '--log-level', 'debug'] }))
  client = new Client(server.url, server.newKey ?? '')
})

afterAll(() => stack.disposeAsync())

const cancel = (id: string): Promise<JobBody> => client.json(200, `/v1/async/requests/${id}/cancel`, { method: 'POST' })

test('a running job is cancelled before it gets on, and the next one runs', async () => {
  const url = await client.upload(fixture('en-silence-middle.flac'))
  // Few tokens a window make many windows.
  const { id } = await client.submit(url, { input: { sample_len: 16 } })
  await untilWindows(server, id, 1)
  await cancel(id)
  const before = windowsOf(server, id).length
  const job = await client.finish(id)
  expect(job.status).toBe('cancelled')
  // One may have been in the making, and one on its way to the server.
  expect(windowsOf(server, id).length).toBeLessThanOrEqual(before + 2)
  expect((await client.transcribe(fixture('en-short.wav'))).status).toBe('success')
})

test('a job that waits is cancelled at once, and again without harm', async () => {
  const url = await client.upload(fixture('en-one-minute.m4a'))
  // One has the slot, the other the place that is kept for short recordings.
  const running = [await client.submit(url), await client.submit(url)]
  const waiting = await client.submit(url)
  const cancelled = await cancel(waiting.id)
  expect(cancelled).toMatchObject({ id: waiting.id, status: 'cancelled', startedAt: null })
  expect(await cancel(waiting.id)).toEqual(cancelled)
  for (const { id } of running) await cancel(id)
  for (const { id } of running) await client.finish(id)
})

test('a finished job cannot be cancelled, but removed, with its recording and its result', async () => {
  const job = await client.transcribe(fixture('en-short.wav'))
  await client.json(409, `/v1/async/requests/${job.id}/cancel`, { method: 'POST' })
  const before = await readdir(join(dataDir, 'payloads/objects/uploads'))
  const response = await client.fetch(`/v1/async/requests/${job.id}`, { method: 'DELETE' })
  expect(response.status).toBe(204)
  expect((await client.fetch(`/v1/async/requests/${job.id}`)).status).toBe(404)
  const uploads = (): Promise<string[]> => readdir(join(dataDir, 'payloads/objects/uploads')).catch(() => [])
  await expect.poll(uploads).toHaveLength(before.length - 1)
  const results = (): Promise<string[]> => readdir(join(dataDir, 'payloads/objects/results')).catch(() => [])
  await expect.poll(results).not.toContain(job.id)
})
