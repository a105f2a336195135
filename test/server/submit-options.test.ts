import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client, jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { documentedCommands, runDocumentedCommands } from '../support/documented-commands.ts'
import { Server, temporaryFolder } from '../support/server.ts'

const CLIP = fixture('en-short.wav')
const SUBMIT = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let server: Server
let client: Client
let url: string

beforeAll(async () => {
  folder = await temporaryFolder()
  server = await Server.start({ dataDir: folder.path })
  client = new Client(server.url, server.newKey ?? '')
  url = await client.upload(CLIP)
})

afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function submit(
  body: Readonly<Record<string, unknown>>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const { body: json, headers: type } = jsonBody({ URL: url, input: {}, ...body })
  return await client.fetch(SUBMIT, { method: 'POST', body: json, headers: { ...type, ...headers } })
}

interface Submitted {
  readonly response: JobBody & { readonly priority: string; readonly expiresAt: string | null }
}

async function submitted(answer: Response): Promise<Submitted['response']> {
  expect(answer.status).toBe(202)
  return ((await answer.json()) as Submitted).response
}

async function refusal(answer: Response): Promise<{ readonly code: number; readonly message: string }> {
  return (await answer.json()) as { code: number; message: string }
}

describe('Idempotency-Key', () => {
  test('the same request again gives the same job, its fields in whatever order', async () => {
    const headers = { 'idempotency-key': 'order-1' }
    const first = await submit({ input: { language: 'en', beam_size: 1 } }, headers)
    const again = await submit({ input: { beam_size: 1, language: 'en' } }, headers)
    expect([first.headers.get('idempotent-replayed'), again.headers.get('idempotent-replayed')]).toEqual([null, 'true'])
    expect((await submitted(again)).id).toBe((await submitted(first)).id)
  })

  test('another request with the same key is refused', async () => {
    const headers = { 'idempotency-key': 'order-2' }
    await submit({ input: { language: 'en' } }, headers)
    const answer = await submit({ input: { language: 'de' } }, headers)
    expect([answer.status, await refusal(answer)]).toEqual([
      422,
      { code: 422, message: expect.stringContaining('new key') },
    ])
  })

  test('a request whose startBy has passed meanwhile is still answered with its job', async () => {
    const headers = { 'idempotency-key': 'order-3' }
    let startBy: string
    let answer: Response
    // A busy machine may need longer for the request than is left to start it.
    for (let inMs = 1000; ; inMs *= 2) {
      startBy = new Date(Date.now() + inMs).toISOString()
      answer = await submit({ startBy }, headers)
      if (answer.status === 202) break
    }
    const { id } = await submitted(answer)
    await expect.poll(() => Date.now() > Date.parse(startBy)).toBe(true)
    expect((await submitted(await submit({ startBy }, headers))).id).toBe(id)
    expect((await submit({ startBy })).status).toBe(400)
  })

  test('has to be a header that can be kept', async () => {
    expect((await submit({}, { 'idempotency-key': 'x'.repeat(256) })).status).toBe(400)
  })
})

describe('what a submit may say of a job', () => {
  test('priority and expiresAt are shown', async () => {
    const expiresAt = '2091-02-03T04:05:06.000Z'
    const { id } = await submitted(await submit({ priority: 'high', expiresAt }))
    expect(await client.finish(id)).toMatchObject({ priority: 'high', expiresAt, status: 'success' })
  })

  test.each([
    ['2090-12-31T23:59:60Z', '2091-01-01T00:00:00.000Z'],
    ['2091-01-01T00:59:60.5+01:00', '2091-01-01T00:00:00.500Z'],
    ['2091-02-03 04:05:06z', '2091-02-03T04:05:06.000Z'],
    ['2091-02-03t04:05:06.5+0130', '2091-02-03T02:35:06.500Z'],
    ['2091-02-03T04:05:06-02', '2091-02-03T06:05:06.000Z'],
  ])('a time may be written as %s', async (given, expiresAt) => {
    expect(await submitted(await submit({ expiresAt: given, startBy: given }))).toMatchObject({ expiresAt })
  })

  test.each([
    [{ expiresAt: '2016-12-31T23:59:60Z' }, 'a time to come'],
    [{ expiresAt: '2090-02-30T00:00:00Z' }, 'expiresAt'],
    [{ startBy: '2020-01-01T00:00:00Z' }, 'startBy'],
    [{ expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    [{ startBy: 'tomorrow' }, 'startBy'],
    [{ timeout: 0 }, 'timeout'],
    [{ priority: 'highest' }, 'priority'],
    [{ urgent: true }, 'urgent'],
  ])('%j is refused by name', async (body, name) => {
    const answer = await submit(body)
    expect([answer.status, (await refusal(answer)).message]).toEqual([400, expect.stringContaining(name)])
  })

  test('a job that runs beyond its timeout fails and says so', async () => {
    const { id } = await submitted(await submit({ timeout: 0.001 }))
    const job = await client.finish(id)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'job.timeout' } })
    expect(job.error?.message).toContain('0.001 s')
  })
})

describe('retry', () => {
  test('a failed job is found and submitted again as a new one', async () => {
    const path = join(folder.path, 'letter.mp3')
    await writeFile(path, 'a letter to a friend')
    const { id } = await client.submit(await client.upload(path))
    const failed = await client.finish(id)
    expect(failed.status).toBe('failed')
    const list = await client.json<{ requests: readonly JobBody[] }>(200, '/v1/async/requests?status=failed')
    expect(list.requests.map((job) => job.id)).toContain(id)
    const { response } = await client.json<Submitted>(202, `/v1/async/requests/${id}/retry`, { method: 'POST' })
    expect(response.id).not.toBe(id)
    expect((await client.finish(response.id)).error).toEqual(failed.error)
    expect(await client.poll(id)).toEqual(failed)
  })

  test('a job that succeeded is run again with other parameters', async () => {
    const job = await client.transcribe(CLIP)
    const body = jsonBody({ input: { word_timestamps: true } })
    const { response } = await client.json<Submitted>(202, `/v1/async/requests/${job.id}/retry`, {
      method: 'POST',
      ...body,
    })
    const again = await client.finish(response.id)
    expect(again.result?.text).toBe(job.result?.text)
    expect(again.result?.segments[0]?.words?.length).toBeGreaterThan(0)
    expect(again).toMatchObject({ usage: { audioSeconds: job.result?.duration } })
  })
})

test('the commands that docs/api.md has for names, lists and actions do what it says', async () => {
  const blocks = await documentedCommands('docs/api.md')
  const own = blocks.flatMap((commands, index) =>
    /\$JOB|JOB=|actions|\/v1\/usage|metadata\./.test(commands) ? [index] : [],
  )
  const variables = { SOTTO: server.url, KEY: server.newKey ?? '', URL: url }
  const ran = await runDocumentedCommands({ page: 'docs/api.md', variables, blocks: own })
  const answers = ran.map(({ output }) => (output === '' ? null : (JSON.parse(output) as unknown)))
  expect(answers).toMatchObject([
    null,
    { name: 'Opening talk', metadata: { customer: '7', checked: 'yes' }, removeAfterSeconds: 2_592_000 },
    { response: { status: 'accepted', name: 'Opening talk', input: { beam_size: 5 } } },
    { results: [], next: null },
    { requests: [{ name: 'Opening talk' }] },
    { events: [{ kind: 'accepted' }, { kind: 'claimed' }, { kind: 'finished' }], next: null },
    { usage: [{ model: 'sotto/whisper-demo', jobs: expect.any(Number) }] },
  ])
})

describe('the queue', () => {
  test('a job that waits or runs says where it stands', async () => {
    const { id } = await client.submit(await client.upload(fixture('en-one-minute.m4a')))
    const job = await client.waitFor(id, (seen) => seen.status === 'processing' && 'queue' in seen)
    expect(job).toMatchObject({ queue: { position: 0 } })
    expect(Object.keys(await client.finish(id))).not.toContain('queue')
  })

  test('/metrics tells Prometheus of requests, the queue and the workers', async () => {
    for (const path of ['/healthz', '/healthz', '/nowhere']) await fetch(server.url + path)
    await fetch(`${server.url}/healthz`, { method: 'HEAD' })
    expect((await submit({})).status).toBe(202)
    const text = await (await fetch(`${server.url}/metrics`)).text()
    const count = (labels: string): string => `sotto_http_request_duration_seconds_count{${labels}}`
    expect(text).toContain(`${count('method="GET",route="/healthz",status="200"')} 2\n`)
    expect(text).toContain(`${count('method="HEAD",route="/healthz",status="200"')} 1\n`)
    expect(text).toContain(`${count('method="GET",route="unknown",status="404"')} 1\n`)
    expect(text).toMatch(/^sotto_workers\{tier="cpuflex"\} 1$/m)
    expect(text).toMatch(/^sotto_http_request_duration_seconds_count\{.*status="202"\} \d+$/m)
    expect(text).toContain('# TYPE sotto_queue_audio_seconds gauge')
    expect(text).toContain('# TYPE sotto_queue_jobs gauge')
  })
})

describe('limits', () => {
  test('of audio a day: 429 that says when to come again; another key is not affected', async () => {
    await using own = await temporaryFolder()
    const environment = { SOTTO_MAX_AUDIO_SECONDS_PER_DAY: '5' }
    await using limited = await Server.start({ dataDir: own.path, environment })
    const user = new Client(limited.url, limited.newKey ?? '')
    const recording = await user.upload(CLIP)
    await user.submit(recording)
    const answer = await user.fetch(SUBMIT, { method: 'POST', ...jsonBody({ URL: recording, input: {} }) })
    expect(answer.status).toBe(429)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await refusal(answer)).message).toContain('5 s of audio a day')
  })

  test('of requests a second: 429, and an answer again a second later', async () => {
    await using own = await temporaryFolder()
    await using limited = await Server.start({ dataDir: own.path, environment: { SOTTO_MAX_REQUESTS_PER_SECOND: '5' } })
    const user = new Client(limited.url, limited.newKey ?? '')
    const answers = await Promise.all(Array.from({ length: 60 }, () => user.fetch('/v1/models')))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThanOrEqual(2)
    expect(refused[0]?.headers.get('retry-after')).toBe('1')
    expect(await refusal(refused[0] as Response)).toMatchObject({
      code: 429,
      message: expect.stringContaining('5 requests'),
    })
    await expect.poll(async () => (await user.fetch('/v1/models')).status).toBe(200)
    expect((await fetch(`${limited.url}/healthz`)).status).toBe(200)
  })
})
