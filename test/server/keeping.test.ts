import { readFile, readdir, rm, truncate, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'

const KEY = 'a-key-that-every-start-is-given'
const CLIP = fixture('en-short.wav')
const DAY_MS = 86_400_000

let stack: AsyncDisposableStack
let server: Server
let client: Client
let dataDir: string
let bytes: Buffer<ArrayBuffer>

async function start(folder: string): Promise<Server> {
  const limit = String(Math.floor(1.5 * bytes.length))
  return await Server.start({
    dataDir: folder,
    environment: { SOTTO_API_KEY: KEY, SOTTO_MAX_UNSUBMITTED_BYTES: limit },
  })
}

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  bytes = await readFile(CLIP)
  dataDir = stack.use(await temporaryFolder()).path
  server = stack.use(await start(dataDir))
  client = new Client(server.url, KEY)
})

afterAll(() => stack.disposeAsync())

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

const put = (url: string): Promise<Response> => fetch(url, { method: 'PUT', body: bytes })

test('a lock of another process on the database holds nobody up who does not write, and writes wait for its end', async () => {
  const url = await client.upload(CLIP)
  using other = new DatabaseSync(join(dataDir, 'sotto.db'))
  other.exec('begin immediate')
  let isAnswered = false
  const submitted = client.submit(url).finally(() => (isAnswered = true))
  for (let n = 0; n < 4; n++) {
    expect((await fetch(new URL('/healthz', server.url))).status).toBe(200)
    expect((await client.fetch('/v1/async/requests')).status).toBe(200)
  }
  expect(isAnswered).toBe(false)
  other.exec('rollback')
  expect((await client.finish((await submitted).id)).status).toBe('success')
})

test('a removed job’s recording and result go, and the answer does not wait for that', async () => {
  const job = await client.transcribe(CLIP)
  const before = await filesBelow(join(dataDir, 'payloads/objects'))
  expect(before.some((file) => file.includes(job.id))).toBe(true)
  const answer = await client.fetch(`/v1/async/requests/${job.id}`, { method: 'DELETE' })
  expect(answer.status).toBe(204)
  await expect.poll(async () => (await filesBelow(join(dataDir, 'payloads/objects'))).length).toBe(before.length - 2)
  expect((await filesBelow(join(dataDir, 'payloads/objects'))).some((file) => file.includes(job.id))).toBe(false)
})

test('a recording that went with its job can be uploaded to the same URL again, and submitted', async () => {
  const url = await client.upload(CLIP)
  const { id } = await client.finish((await client.submit(url)).id)
  await client.fetch(`/v1/async/requests/${id}`, { method: 'DELETE' })
  const file = /uploads\/([^?]+)/.exec(url)?.[1] ?? ''
  await expect.poll(async () => (await filesBelow(dataDir)).some((path) => path.endsWith(file))).toBe(false)
  await expect(client.submit(url)).rejects.toThrow(/409/)
  expect((await put(url)).status).toBe(200)
  expect((await client.finish((await client.submit(url)).id)).status).toBe('success')
})

test('a key uploads no more than it may before it submits; what is submitted or removed does not count', async () => {
  const first = await client.upload(CLIP)
  const second = await client.uploadUrl('wav')
  const refused = await put(second)
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toBe('60')
  expect(await refused.json()).toEqual({ code: 429, message: expect.stringContaining('SOTTO_MAX_UNSUBMITTED_BYTES') })
  // To the same URL it replaces what is there.
  expect((await put(first)).status).toBe(200)
  const tus = { 'tus-resumable': '1.0.0', 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' }
  const part = await fetch(second, {
    method: 'PATCH',
    headers: { ...tus, 'upload-length': String(bytes.length) },
    body: bytes,
  })
  expect(part.status).toBe(429)
  await client.submit(first)
  expect((await put(second)).status).toBe(200)
  const third = await client.uploadUrl('wav')
  expect((await put(third)).status).toBe(429)
  expect((await fetch(second, { method: 'DELETE', headers: { 'tus-resumable': '1.0.0' } })).status).toBe(204)
  expect((await put(third)).status).toBe(200)
  await client.submit(third)
})

test('a database that was lost makes no orphans of what is there, and the log says what to do', async () => {
  await using folder = await temporaryFolder()
  {
    await using first = await start(folder.path)
    await new Client(first.url, KEY).upload(CLIP)
    await first.end('SIGTERM')
  }
  const files = await filesBelow(join(folder.path, 'payloads/objects'))
  const old = new Date(Date.now() - 3 * DAY_MS)
  for (const file of files) await utimes(file, old, old)
  await truncate(join(folder.path, 'sotto.db'))
  for (const name of ['sotto.db-wal', 'sotto.db-shm']) await rm(join(folder.path, name), { force: true })
  await using second = await start(folder.path)
  await expect.poll(() => second.output).toContain('sotto migrate --adopt-payloads')
  expect(await filesBelow(join(folder.path, 'payloads/objects'))).toEqual(files)
  const adopted = await sotto(['migrate', '--adopt-payloads', '--data-dir', folder.path], { cwd: folder.path })
  expect(adopted).toMatchObject({ code: 0, stderr: expect.stringContaining('counts as this database’s') })
}, 180_000)
