import { openAsBlob } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startBreakingProxy } from '../../test/support/breaking-proxy.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { JobCancelled, JobFailed, Sotto } from '../src/index.ts'
import type { JobEvent, RequestForLog, SottoOptions } from '../src/index.ts'

const CLIP = fixture('en-two-voices.mp3')
const LAST_WORDS = 'The hospital is near the park.'
const ENGLISH = { input: { language: 'en' } } as const

const stack = new AsyncDisposableStack()
let server: Server
/** What was asked for, as `GET /v1/models`. */
const asked = new Set<string>()

beforeAll(async () => {
  const folder = stack.use(await temporaryFolder())
  server = stack.use(await Server.start({ dataDir: folder.path }))
})

afterAll(async () => await stack.disposeAsync())

function client(options: SottoOptions = {}): Sotto {
  const onRequest = (request: RequestForLog): void => {
    asked.add(`${request.method} ${request.path}`)
    options.onRequest?.(request)
  }
  return new Sotto({ baseUrl: server.url, apiKey: server.newKey ?? '', ...options, onRequest })
}

/** No event stream gets through: as behind an old proxy, or on an old server. */
const withoutStreams: typeof fetch = async (input, init) =>
  new Request(input).url.includes('/events') ? new Response('', { status: 404 }) : await fetch(input, init)

const text = (events: readonly JobEvent[]): string =>
  events
    .flatMap((event) => (event.type === 'segments' ? event.segments : []))
    .map((segment) => segment.text)
    .join('')

describe('transcribing', () => {
  test.each([
    ['by the event stream', fetch],
    ['where there is none, by polls', withoutStreams],
  ])('tells of the upload, of what becomes of the job and of its text: %s', async (_, given) => {
    const events: JobEvent[] = []
    const audio = await openAsBlob(CLIP)
    const transcript = await client({ fetch: given }).transcribe(audio, {
      ...{ ...ENGLISH, name: 'two voices.mp3', onEvent: (event) => events.push(event) },
    })
    expect(transcript.text).toContain(LAST_WORDS)
    const sent = events.flatMap((event) => (event.type === 'upload' ? [event.sentBytes] : []))
    expect([sent[0], sent.at(-1)]).toEqual([0, audio.size])
    expect(text(events)).toBe(transcript.text)
    const statuses = events.flatMap((event) => (event.type === 'status' ? [event.status] : []))
    expect(statuses.filter((status) => status === 'success')).toHaveLength(1)
    expect(events.at(-1)).toMatchObject({
      type: 'status',
      status: 'success',
      job: { result: { text: transcript.text } },
    })
  })

  test.each<[string, () => Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | Response>]>([
    ['bytes', async () => new Uint8Array(await readFile(CLIP))],
    ['a stream', async () => (await openAsBlob(CLIP)).stream()],
    ['a response', async () => new Response(await openAsBlob(CLIP))],
  ])('takes %s', async (_, audio) => {
    expect((await client().transcribe(await audio(), ENGLISH)).text).toContain(LAST_WORDS)
  })

  test('within one request', async () => {
    expect((await client().transcribeNow(await openAsBlob(CLIP), ENGLISH)).text).toContain(LAST_WORDS)
  })

  test.each(['closed', 'silent'] as const)('goes on with an upload whose connection broke: %s', async (how) => {
    const { size } = await stat(CLIP)
    await using proxy = await startBreakingProxy(server.url, Math.floor(size / 2), how)
    const patched: string[] = []
    const sotto = client({
      baseUrl: proxy.url,
      onRequest: ({ method, status }) => patched.push(`${method} ${status}`),
    })
    expect((await sotto.transcribe(await openAsBlob(CLIP), ENGLISH)).text).toContain(LAST_WORDS)
    expect(proxy.hasBroken()).toBe(true)
    expect(patched).toContain('PATCH null')
  })

  test('of what is no recording fails with the job’s own code', async () => {
    const error: unknown = await client()
      .transcribe(new Blob(['this is no recording']))
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(JobFailed)
    expect(error).toMatchObject({ code: 'audio.not_media', job: { status: 'failed' } })
    expect(JSON.stringify(error)).not.toContain('signature')
  })

  test('with a parameter that is none fails with what the server says', async () => {
    const input = { beam_size: 99 }
    await expect(client().transcribe(await openAsBlob(CLIP), { input })).rejects.toMatchObject({
      name: 'BadRequest',
      message: expect.stringContaining('beam_size'),
    })
  })
})

describe('an aborted signal', () => {
  test('that was aborted before sends nothing', async () => {
    const requests: string[] = []
    const signal = AbortSignal.abort(new Error('never mind'))
    const sotto = client({ onRequest: ({ path }) => requests.push(path) })
    await expect(sotto.transcribe(await openAsBlob(CLIP), { signal })).rejects.toThrow('never mind')
    expect(requests).toEqual([])
  })

  test('cancels the job', async () => {
    const controller = new AbortController()
    const reason = new Error('the user left')
    const options = { ...ENGLISH, signal: controller.signal, metadata: { test: 'abort' } }
    const onEvent = (event: JobEvent): void => {
      if (event.type === 'status') controller.abort(reason)
    }
    await expect(client().transcribe(await openAsBlob(CLIP), { ...options, onEvent })).rejects.toBe(reason)
    const [job] = (await client().jobs().page()).items
    await expect(
      client()
        .job(job?.id ?? '')
        .result(),
    ).rejects.toBeInstanceOf(JobCancelled)
  })
})

describe('a job', () => {
  test('is listed, read by its id and its poll URL, and removed', async () => {
    const sotto = client()
    const job = await sotto.submit(await openAsBlob(CLIP), ENGLISH)
    const transcript = await job.result()
    expect(await sotto.jobs({ limit: 50 }).all({ limit: 100 })).toContainEqual(expect.objectContaining({ id: job.id }))
    expect(await sotto.job(`${server.url}/v1/async/requests/${job.id}`).status()).toMatchObject({
      result: { text: transcript.text },
    })
    await job.remove()
    await expect(job.result()).rejects.toMatchObject({ name: 'JobGone', code: 'job.gone' })
  })

  test('that failed is tried again as another one', async () => {
    const sotto = client()
    const failed = await sotto.submit(new Blob(['this is no recording']))
    await expect(failed.result()).rejects.toBeInstanceOf(JobFailed)
    const again = await failed.retry()
    expect(again.id).not.toBe(failed.id)
    await expect(again.result()).rejects.toMatchObject({ code: 'audio.not_media' })
  })
})

test('each of the requests that the client makes is documented', async () => {
  const sotto = client()
  const job = await sotto.submit(await openAsBlob(CLIP), { ...ENGLISH, name: 'a.mp3', metadata: { case: '7' } })
  await job.result()
  expect(await job.download('srt')).toContain('00:00:00,')
  expect(await job.update({ name: 'b.mp3', metadata: { case: null } })).toMatchObject({ name: 'b.mp3' })
  const found = await sotto.jobs({ status: ['success', 'failed'], q: 'B.mp3', from: new Date(0) }).all()
  expect(found.map(({ id }) => id)).toEqual([job.id])
  await expect(job.cancel()).rejects.toMatchObject({ name: 'Conflict' })
  await sotto.models()
  expect(await sotto.me()).toMatchObject({ key: { scopes: expect.arrayContaining(['admin']) } })
  expect((await sotto.usage({ by: 'model', days: 2 }))[0]).toMatchObject({ jobs: expect.any(Number) })
  const { id, key } = await sotto.keys.create('reader', { scopes: ['read'] })
  expect((await sotto.keys.list().all()).map(({ name }) => name)).toContain('reader')
  expect(await sotto.keys.update(id, { name: 'page' })).toMatchObject({ name: 'page', scopes: ['read'] })
  const { token } = await client({ apiKey: key }).keys.token({ ttlSeconds: 60 })
  expect(await client({ apiKey: token }).models()).not.toEqual([])
  await sotto.keys.revoke(id)
  const { url } = await sotto.uploads.create({ extension: 'wav' })
  await sotto.uploads.remove(url)
  await job.remove()
  const document: unknown = await (await fetch(new URL('/openapi.json', server.url))).json()
  const { paths } = document as { paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => new RegExp(`^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    ),
  )
  expect([...asked].filter((request) => !routes.some((route) => route.test(request)))).toEqual([])
  expect(asked.size).toBeGreaterThan(12)
})
