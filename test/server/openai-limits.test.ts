import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import { bodyOf, startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { formOf, post } from './openai/served.ts'
import type { OpenAiError } from './openai/served.ts'

const ORIGIN = 'https://app.example'
const MAX_BYTES = 200_000
const MODEL = ['model', 'whisper-1'] as const

let running: RunningApi

/** Without a worker, so that jobs wait for ever. */
beforeAll(async () => {
  running = await startApi({
    environment: { SOTTO_OPENAI_MAX_BYTES: String(MAX_BYTES), SOTTO_CORS_ORIGINS: ORIGIN },
  })
})

afterAll(() => running[Symbol.asyncDispose]())

/** Statuses of the jobs that there are, the oldest first; those that a client waits for are in no list. */
async function statuses(api = running): Promise<readonly string[]> {
  const rows = await api.backend.database.queries.selectFrom('jobs').select('status').orderBy('sequence').execute()
  return rows.map(({ status }) => status)
}

async function payloadsOf(api = running): Promise<readonly string[]> {
  const folders = ['payloads/objects/uploads', 'payloads/tmp'].map((folder) => join(api.dataDir, folder))
  return (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat()
}

describe('a client that leaves', () => {
  test.each([[[MODEL]], [[MODEL, ['stream', 'true']]]] as (readonly (readonly [string, string])[])[][])(
    'cancels its job: %j',
    async (fields) => {
      const before = (await statuses()).length
      const leaving = new AbortController()
      const asked = fetch(`${running.url}/v1/audio/transcriptions`, {
        ...{ method: 'POST', body: await formOf(fields ?? []), signal: leaving.signal },
        headers: { authorization: `Bearer ${running.key}` },
      })
      await expect.poll(async () => (await statuses()).slice(before)).toEqual(['pending'])
      leaving.abort()
      await expect(asked).rejects.toThrow('aborted')
      await expect.poll(async () => (await statuses()).slice(before)).toEqual(['cancelled'])
    },
  )

  test('within its upload leaves nothing', async () => {
    const [jobs, before] = [await statuses(), await payloadsOf()]
    const { socket } = running.send(
      `POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${running.key}\r\n` +
        'Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n' +
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF',
    )
    await expect.poll(() => payloadsOf()).toHaveLength(before.length + 1)
    socket.destroy()
    await expect.poll(() => payloadsOf()).toEqual(before)
    expect(await statuses()).toEqual(jobs)
  })
})

describe('what is refused leaves nothing', () => {
  test('a model that is unknown, named behind the file', async () => {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(100_000)]), 'a.wav')
    form.append('model', 'none')
    const [jobs, before] = [await statuses(), await payloadsOf()]
    const response = await post({ url: running.url, key: running.key }, form)
    expect([response.status, await response.json()]).toMatchObject([404, { error: { code: 'model_not_found' } }])
    expect([await statuses(), await payloadsOf()]).toEqual([jobs, before])
  })

  test.each([
    ['empty', new Blob([]), 400, 'file'],
    ['too large', new Blob([new Uint8Array(2 * MAX_BYTES)]), 413, 'file'],
  ])('a recording that is %s', async (_, file, status, param) => {
    const form = new FormData()
    form.append('model', 'whisper-1')
    form.append('file', file, 'a.wav')
    const before = await payloadsOf()
    const response = await post({ url: running.url, key: running.key }, form)
    const { error } = (await response.json()) as OpenAiError
    expect([response.status, response.headers.get('x-should-retry'), error.param]).toEqual([status, 'false', param])
    expect(await payloadsOf()).toEqual(before)
  })

  test('one that arrives without a length, and turns out to be too large', async () => {
    const part = `--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n${'x'.repeat(2 * MAX_BYTES)}`
    const answer = await running.send(
      `POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${running.key}\r\n` +
        'Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n' +
        `${part.length.toString(16)}\r\n${part}\r\n`,
    ).ended
    expect(answer).toMatch(/^HTTP\/1\.1 413/)
    expect(bodyOf(answer)).toMatchObject({
      error: { message: expect.stringMatching(/SOTTO_OPENAI_MAX_BYTES.*Async API/), param: 'file' },
    })
  })

  test('a form that is too large by its own words, before it is sent', async () => {
    const head =
      `POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${running.key}\r\n` +
      'Content-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\n'
    const refused = await running.send(`${head}Content-Length: ${10 * MAX_BYTES}\r\n\r\n`).ended
    expect(refused).toMatch(/^HTTP\/1\.1 413/)
    expect(bodyOf(refused)).toMatchObject({ error: { type: 'invalid_request_error' } })
    const { socket } = running.send(`${head}Content-Length: 1000\r\n\r\n`)
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 100/)
    socket.destroy()
  })
})

test('a connection may carry nothing for as long as its client may wait', async () => {
  const sockets: Socket[] = []
  const note = (socket: Socket): void => void sockets.push(socket)
  running.api.server.on('connection', note)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const form = new Request('http://x', { method: 'POST', body: await formOf([MODEL]) })
    const headers = {
      authorization: `Bearer ${running.key}`,
      'content-type': form.headers.get('content-type') ?? '',
    }
    const asked = request(`${running.url}/v1/audio/transcriptions`, { method: 'POST', agent, headers })
    asked.on('error', () => undefined).end(Buffer.from(await form.arrayBuffer()))
    await expect.poll(() => sockets[0]?.timeout).toBeGreaterThan(3_600_000)
    await expect.poll(async () => (await statuses()).at(-1)).toBe('pending')
    asked.destroy()
    await expect.poll(async () => (await statuses()).at(-1)).toBe('cancelled')
  } finally {
    agent.destroy()
    running.api.server.off('connection', note)
  }
})

describe('a client that waits for longer than it may', () => {
  test('is told to come again while the server is busy, and of the Async API', async () => {
    await using busy = await startApi({ environment: { SOTTO_OPENAI_TIMEOUT: '1' } })
    const response = await post({ url: busy.url, key: busy.key }, await formOf([MODEL]))
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { error: { message: expect.stringMatching(/busy.*Async API/), type: 'server_error' } },
    ])
    expect([response.headers.get('x-should-retry'), response.headers.get('retry-after')]).toEqual(['true', '5'])
    expect(await statuses(busy)).toEqual(['cancelled'])
    const id = response.headers.get('x-sotto-job-id') ?? ''
    expect(await busy.client.poll(id)).toMatchObject({ status: 'cancelled' })
  })

  test('in a stream too, before it has begun', async () => {
    await using busy = await startApi({ environment: { SOTTO_OPENAI_TIMEOUT: '1' } })
    const response = await post({ url: busy.url, key: busy.key }, await formOf([MODEL, ['stream', 'true']]))
    expect([response.status, await response.json()]).toMatchObject([503, { error: { type: 'server_error' } }])
  })
})

test('a key that has as much as it may have is told so in OpenAI’s words', async () => {
  await using limited = await startApi({ environment: { SOTTO_MAX_AUDIO_SECONDS_PER_DAY: '1' } })
  const client = new OpenAI({ baseURL: `${limited.url}/v1`, apiKey: limited.key, maxRetries: 0 })
  const file = (await formOf([])).get('file')
  if (!(file instanceof File)) throw new Error('the form has no file')
  await expect(client.audio.transcriptions.create({ file, model: 'whisper-1' })).rejects.toMatchObject({
    ...{ status: 429, code: 'limit.reached', type: 'rate_limit_error' },
  })
  await expect.poll(() => payloadsOf(limited)).toEqual([])
})

test('a key is held to its models, by their ids or the names that they were asked for by, and told how often it may ask', async () => {
  const models = ['whisper-1', 'openai/whisper-tiny']
  const { secret } = await new ApiKeys(running.backend.database).create('narrow', {
    models,
    limits: { requestsPerMinute: 100 },
  })
  const asked = { url: running.url, key: secret }
  const refused = await post(asked, await formOf([['model', 'gpt-4o-transcribe']]))
  expect([refused.status, await refused.json()]).toMatchObject([
    ...[403, { error: { code: 'key.model_forbidden', type: 'permission_error' } }],
  ])
  expect(refused.headers.get('x-ratelimit-limit-requests')).toBe('100')
  const list = new OpenAI({ baseURL: `${running.url}/openai/v1`, apiKey: secret }).models.list()
  expect((await list).data.map(({ id }) => id)).toEqual(['openai/whisper-tiny', 'whisper-1'])
  // It gets as far as what is wrong with the form.
  const known = await post(asked, await formOf([MODEL, ['temperature', '7']]))
  expect([known.status, await known.json()]).toMatchObject([400, { error: { param: 'temperature' } }])
})

test('pages may send what the client adds, and read what it looks for', async () => {
  const names = 'authorization,x-stainless-lang,x-stainless-retry-count,openai-organization'
  const preflight = await fetch(`${running.url}/v1/audio/transcriptions`, {
    method: 'OPTIONS',
    headers: { origin: ORIGIN, 'access-control-request-method': 'POST', 'access-control-request-headers': names },
  })
  expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([204, names])
  const refused = await post({ url: running.url, key: 'wrong' }, await formOf([MODEL]), undefined, { origin: ORIGIN })
  expect(refused.headers.get('access-control-expose-headers')).toMatch(/X-Request-Id.*X-Sotto-Job-Id/)
})
