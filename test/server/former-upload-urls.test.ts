import { randomUUIDv7 } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import { signRequest } from '../../src/api/authentication/signatures.ts'
import { startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { Client, jsonBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { patch, progressOf } from '../support/tus.ts'

const MODEL = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
const CLIP = fixture('en-short.wav')

let running: RunningApi
let other: Client
let apiKeys: ApiKeys
let bytes: Buffer<ArrayBuffer>

beforeAll(async () => {
  running = await startApi()
  apiKeys = new ApiKeys(running.backend.database)
  other = new Client(running.url, (await apiKeys.create('other')).secret)
  bytes = await readFile(CLIP)
})

afterAll(() => running[Symbol.asyncDispose]())

/** As the version before gave it out: its key has no MAC, and nothing but the URL's signature says whose it is. */
async function formerUrl(expiresAt = new Date(Date.now() + 3_600_000)) {
  const { owner } = Object.fromEntries(new URL(await running.client.uploadUrl('wav')).searchParams)
  const file = `${randomUUIDv7()}.wav`
  const path = `/v1/input/uploads/${file}`
  const { signingSecret } = running.backend
  const keyId = owner?.split('.')[0] ?? ''
  const query = await signRequest({ method: 'PUT', path, owner: keyId, expiresAt }, { apiKeys, signingSecret })
  return { url: `${running.url}${path}?${query}`, file }
}

const submit = (url: string, as = running.client): Promise<Response> =>
  as.fetch(MODEL, { method: 'POST', ...jsonBody({ URL: url, input: {} }) })

/** Puts a file where the version before had left it. */
async function leave(path: string, content: string | Buffer): Promise<void> {
  const whole = join(running.dataDir, 'payloads', path)
  await mkdir(dirname(whole), { recursive: true })
  await writeFile(whole, content)
}

describe('an upload URL that the version before gave out', () => {
  test('takes a PUT, and is submitted', async () => {
    const { url } = await formerUrl()
    const answer = await fetch(url, { method: 'PUT', body: bytes })
    expect([answer.status, await answer.json()]).toEqual([200, { bytes: bytes.length }])
    expect((await submit(url)).status).toBe(202)
    expect((await fetch(url, { method: 'PUT', body: bytes })).status).toBe(409)
  })

  test('is submitted when the recording came before the upgrade, be it expired by now', async () => {
    const { url, file } = await formerUrl(new Date(Date.now() - 1000))
    await leave(`objects/uploads/${file}`, bytes)
    expect((await fetch(url, { method: 'PUT', body: bytes })).status).toBe(403)
    expect((await submit(url)).status).toBe(202)
  })

  test('goes on where an upload in parts was when the upgrade came', async () => {
    const { url, file } = await formerUrl()
    await leave(`partial/data/uploads/${file}`, bytes.subarray(0, 60_000))
    await leave(`partial/length/uploads/${file}`, String(bytes.length))
    expect(await progressOf(url)).toBe(`60000/${bytes.length}`)
    expect((await patch(url, 60_000, bytes.subarray(60_000))).status).toBe(204)
    expect((await submit(url)).status).toBe(202)
  })

  test('of another key, or not as it was signed, is refused', async () => {
    const { url } = await formerUrl()
    await fetch(url, { method: 'PUT', body: bytes })
    expect((await submit(url, other)).status).toBe(403)
    for (const tampered of [url.replace(/signature=./, 'signature='), url.split('?')[0] ?? '']) {
      expect((await submit(tampered)).status).toBe(400)
      expect((await fetch(tampered, { method: 'PUT', body: bytes })).status).toBe(403)
    }
  })
})

test('an upload URL of this version proves its owner by itself, as that of an S3 does', async () => {
  const url = await running.client.uploadUrl('wav')
  expect(new URL(url).pathname).toMatch(/^\/v1\/input\/uploads\/[\da-f-]{36}-[\da-f]{32}\.wav$/)
  await fetch(url, { method: 'PUT', body: bytes })
  const [unsigned = ''] = url.split('?')
  expect((await submit(unsigned)).status).toBe(202)
  expect((await submit(unsigned, other)).status).toBe(403)
  expect((await fetch(unsigned, { method: 'PUT', body: bytes })).status).toBe(403)
})
