import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { startBreakingProxy } from '../support/breaking-proxy.ts'
import type { Break } from '../support/breaking-proxy.ts'
import { rawRequest } from '../support/tus.ts'

const [RECORDING, OTHER] = [randomBytes(300_000), randomBytes(200_000)]

let running: RunningApi

beforeAll(async () => {
  running = await startApi()
})

afterAll(() => running[Symbol.asyncDispose]())

const put = (url: string, body: NonNullable<RequestInit['body']>): Promise<Response> =>
  fetch(url, { method: 'PUT', body })
const stored = async (url: string): Promise<Buffer> =>
  await buffer(await running.backend.payloads.read(`uploads/${new URL(url).pathname.split('/').at(-1)}`))
/** Names of what is being written. */
const writing = (): Promise<readonly string[]> => readdir(join(running.dataDir, 'payloads/tmp'))

/** A PUT that has sent these bytes of a body that has one more, and keeps its connection. Resolves when the server is writing them. */
async function stalledPut(url: string, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
  const before = (await writing()).length
  const stalled = rawRequest(url, 'PUT', { 'content-length': bytes.length + 1, connection: 'keep-alive', ...headers })
  stalled.sent.write(bytes)
  await expect.poll(async () => (await writing()).length, { interval: 5 }).toBe(before + 1)
  return stalled
}

describe('a PUT whose connection broke', () => {
  test.each<Break>(['closed', 'silent'])('%s: the next try is taken at once', async (how) => {
    const url = await running.client.uploadUrl('wav')
    await using proxy = await startBreakingProxy(running.url, RECORDING.length * 0.9, how)
    const byProxy = proxy.url + url.slice(running.url.length)
    await expect(put(byProxy, RECORDING)).rejects.toThrow('fetch failed')
    const again = await put(byProxy, RECORDING)
    expect([again.status, await again.json()]).toEqual([200, { bytes: RECORDING.length }])
    expect((await stored(url)).equals(RECORDING)).toBe(true)
    await expect.poll(writing).toEqual([])
  })
})

describe('a PUT takes over from one to the same URL', () => {
  test.each([
    ['that stalls', RECORDING, {}],
    [
      'that stalls amid what was packed',
      gzipSync(randomBytes(300_000)).subarray(0, 200_000),
      { 'content-encoding': 'gzip' },
    ],
    [
      'that stalls amid a form',
      Buffer.concat([
        Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'),
        RECORDING,
      ]),
      { 'content-type': 'multipart/form-data; boundary=b' },
    ],
  ])('%s, which is told so', async (_, bytes, headers) => {
    const url = await running.client.uploadUrl('wav')
    const stalled = await stalledPut(url, bytes, headers)
    expect((await put(url, OTHER)).status).toBe(200)
    const { status, body, headers: answered } = await stalled.answer
    expect([status, JSON.parse(body), answered['connection']]).toEqual([
      423,
      { code: 423, message: expect.stringContaining('took this upload over') },
      'close',
    ])
    expect((await stored(url)).equals(OTHER)).toBe(true)
    expect(await writing()).toEqual([])
  })

  test('of many one is there in the end, whole, of those that were told so', async () => {
    const url = await running.client.uploadUrl('wav')
    const recordings = Array.from({ length: 8 }, () => randomBytes(400_000))
    const answers = await Promise.all(recordings.map((bytes) => put(url, bytes)))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status !== 200 && status !== 423)).toEqual([])
    const there = await stored(url)
    const index = recordings.findIndex((bytes) => bytes.equals(there))
    expect(statuses[index]).toBe(200)
    expect(await writing()).toEqual([])
  })

  test('and breaks off itself: what was there before both stays', async () => {
    const url = await running.client.uploadUrl('wav')
    expect((await put(url, OTHER)).status).toBe(200)
    const first = await stalledPut(url, RECORDING)
    const second = rawRequest(url, 'PUT', { 'content-length': RECORDING.length })
    second.sent.write(RECORDING.subarray(0, 1000))
    expect((await first.answer).status).toBe(423)
    second.sent.destroy()
    await expect.poll(writing).toEqual([])
    expect((await stored(url)).equals(OTHER)).toBe(true)
  })

  test('but not without its signature, nor without a body', async () => {
    const url = await running.client.uploadUrl('wav')
    const { sent, answer } = await stalledPut(url, RECORDING)
    expect((await put(url.replace(/signature=./, 'signature='), OTHER)).status).toBe(403)
    expect((await put(url, '')).status).toBe(400)
    sent.end('x')
    expect(await answer).toMatchObject({ status: 200, body: JSON.stringify({ bytes: RECORDING.length + 1 }) })
  })
})
