import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import type { JobStatus } from '../../src/jobs/job.ts'
import type { NewJob } from '../../src/jobs/job-store.ts'
import { newJob } from '../../src/jobs/new-job.fixture.ts'
import { startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { Client, jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'

const SUBMIT = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
const REQUESTS = '/v1/async/requests'

interface Body extends JobBody {
  readonly name: string | null
  readonly metadata: Readonly<Record<string, string>>
  readonly expiresAt: string | null
  readonly removeAfterSeconds: number | null
  readonly priority: string
  readonly input: Readonly<Record<string, unknown>> | null
}

interface Page {
  readonly requests: readonly Body[]
  readonly next: string | null
  readonly previous: string | null
}

interface Outcomes {
  readonly results: readonly {
    readonly id: string
    readonly code: number
    readonly message?: string
    readonly newId?: string
  }[]
  readonly next: string | null
}

let api: RunningApi
let client: Client
/** With another key. */
let stranger: Client
let keyId: string
let url: string

beforeAll(async () => {
  api = await startApi()
  ;({ client } = api)
  const keys = new ApiKeys(api.backend.database)
  keyId = (await keys.list())[0]?.id ?? ''
  stranger = new Client(api.url, (await keys.create('stranger')).secret)
  url = await client.upload(fixture('en-short.wav'))
})

afterAll(() => api[Symbol.asyncDispose]())

const submit = (body: object, headers: Record<string, string> = {}): Promise<Response> => {
  const json = jsonBody({ URL: url, input: {}, ...body })
  return client.fetch(SUBMIT, { method: 'POST', body: json.body, headers: { ...json.headers, ...headers } })
}

async function submitted(body: object = {}): Promise<Body> {
  const answer = await submit(body)
  expect(answer.status).toBe(202)
  return ((await answer.json()) as { response: Body }).response
}

const poll = (id: string): Promise<Body> => client.json(200, `${REQUESTS}/${id}`)
const send = (method: 'PATCH' | 'POST', path: string, body: object): Promise<Response> =>
  client.fetch(`${REQUESTS}/${path}`, { method, ...jsonBody(body) })

async function answered<T>(status: number, answer: Promise<Response>): Promise<T> {
  const { status: got, body } = await answer.then(async (come) => ({ status: come.status, body: await come.json() }))
  expect([got, got === status ? null : body]).toEqual([status, null])
  return body as T
}

const list = (query: string, as = client): Promise<Page> => as.json(200, `${REQUESTS}?${query}`)

/** A job that ended so, past the queue. */
async function ended(
  status: Exclude<JobStatus, 'pending' | 'processing'>,
  given: Partial<NewJob> = {},
): Promise<string> {
  const { jobs } = api.backend
  const job = newJob({ keyId, payloadKey: `uploads/${url.split('/').at(-1)?.split('?')[0]}`, ...given })
  await jobs.submit({ ...job, model: job.model, priority: 'high', urgent: false })
  if (status === 'cancelled') await jobs.cancel(job.id)
  else {
    const lease = await leaseOf(job.id)
    if (status === 'success') await jobs.succeed(lease, 'results/1.json')
    else await jobs.fail(lease, { code: 'engine.failed', message: 'It failed.' })
  }
  return job.id
}

async function leaseOf(id: string) {
  const atMost = { ordinary: 1, express: 1 }
  for (;;) {
    const claims = await api.backend.jobs.claim({
      ...{
        asked: ['cpuflex', 'gpuflex'],
        served: 'cpuflex',
        leaseMs: 60_000,
        places: null,
        worker: 'the worker',
        atMost,
      },
    })
    for (const { lease } of claims) {
      if (lease.jobId === id) return lease
      await api.backend.jobs.release(lease, 3_600_000)
    }
    if (claims.length === 0) throw new Error('the job can’t be claimed')
  }
}

describe('what a user calls a job', () => {
  test('is in the answers of submit, poll and list', async () => {
    const given = { name: 'Gespräch 🎙.m4a', metadata: { customer: 'Ä & co', empty: '' }, removeAfterSeconds: 3600 }
    const accepted = await submitted(given)
    expect(accepted).toMatchObject(given)
    expect(await poll(accepted.id)).toMatchObject(given)
    const listed = (await list('limit=1')).requests[0]
    expect(listed).toMatchObject({ id: accepted.id, ...given })
    // Which may be long, and quote what was said.
    expect(Object.keys(listed ?? {})).not.toContain('input')
  })

  test('is nothing when nobody said, and the pair name of the metadata when nothing else was', async () => {
    const nameless = await client.upload(fixture('en-short.wav'))
    expect(await submitted({ URL: nameless })).toMatchObject({ name: null, metadata: {}, removeAfterSeconds: null })
    const metadata = { name: 'a.mp3' }
    expect(await submitted({ metadata })).toMatchObject({ name: 'a.mp3', metadata })
    expect(await submitted({ metadata, name: 'b.mp3' })).toMatchObject({ name: 'b.mp3' })
  })

  test('is what the form called the file that was uploaded in it', async () => {
    const form = new FormData()
    form.append('file', new File(['a letter to a friend'], 'C:\\letters\\Brief (1).mp3'))
    const upload = await client.uploadUrl('mp3')
    expect((await fetch(upload, { method: 'PUT', body: form })).status).toBe(200)
    expect(await submitted({ URL: upload })).toMatchObject({ name: 'Brief (1).mp3' })
    expect(await submitted({ URL: upload, name: 'x' })).toMatchObject({ name: 'x' })
    expect(await submitted({ URL: upload })).toMatchObject({ name: 'Brief (1).mp3' })
  })

  const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`key ${n}`, 'x']))
  test.each([
    [{ name: 'x'.repeat(256) }, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 7 }, 'name'],
    [{ name: 'a\nb' }, 'name'],
    [{ name: '\ud83c' }, 'name'],
    [{ metadata: { a: 1 } }, 'metadata.a'],
    [{ metadata: { a: null } }, 'metadata.a'],
    [{ metadata: { 'a\u0000': 'x' } }, 'key of metadata'],
    [{ metadata: { a: '\u0000' } }, 'metadata.a'],
    [{ metadata: { '': 'x' } }, 'metadata'],
    [{ metadata: { ['x'.repeat(65)]: 'x' } }, 'metadata'],
    [{ metadata: { a: 'x'.repeat(513) } }, 'metadata.a'],
    [{ metadata: { name: 'x'.repeat(256) } }, 'metadata.name'],
    [{ metadata: pairs(17) }, 'metadata'],
    [{ metadata: ['x'] }, 'metadata'],
    [{ removeAfterSeconds: 0 }, 'removeAfterSeconds'],
    [{ removeAfterSeconds: 1e10 }, 'removeAfterSeconds'],
  ])('%j is refused by name', async (body, field) => {
    const { message } = await answered<{ message: string }>(400, submit(body))
    expect(message).toContain(field)
  })

  test('may have as much as it may', async () => {
    const metadata = { ...pairs(14), ['🎙'.repeat(64)]: '🎙'.repeat(512), constructor: 'toString' }
    expect(await submitted({ name: '🎙'.repeat(255), metadata })).toMatchObject({ name: '🎙'.repeat(255), metadata })
  })

  test('is a part of the request that an Idempotency-Key stands for, and never in the log', async () => {
    const headers = { 'idempotency-key': 'named' }
    const first = await submit({ name: 'secret-name' }, headers)
    expect([first.status, (await submit({ name: 'other' }, headers)).status]).toEqual([202, 422])
    await submit({ name: 'secret-name\n' })
    expect(JSON.stringify(api.log)).not.toContain('secret-name')
  })
})

describe('PATCH', () => {
  test('changes what it names and nothing else, in every state', async () => {
    const { id } = await submitted({ name: 'a', metadata: { x: '1', y: '2' }, removeAfterSeconds: 60 })
    const changed = await answered<Body>(200, send('PATCH', id, { metadata: { x: null, z: '3' } }))
    expect(changed).toMatchObject({ id, name: 'a', metadata: { y: '2', z: '3' }, removeAfterSeconds: 60 })
    expect(await poll(id)).toMatchObject({ metadata: { y: '2', z: '3' } })
    await api.backend.jobs.cancel(id)
    const expiresAt = '2091-02-03T04:05:06.000Z'
    const times = { expiresAt, removeAfterSeconds: null }
    expect(await answered<Body>(200, send('PATCH', id, { name: 'b', ...times }))).toMatchObject({ name: 'b', ...times })
    expect(await answered<Body>(200, send('PATCH', id, { name: null, metadata: null }))).toMatchObject({
      ...{ name: null, metadata: {}, status: 'cancelled' },
    })
    const { completedAt, expiresAt: kept } = await answered<Body>(200, send('PATCH', id, { removeAfterSeconds: 100 }))
    // The end comes first by now.
    expect(Date.parse(kept ?? '') - Date.parse(completedAt ?? '')).toBe(100_000)
  })

  test('keeps the name and the pair that names the job the same', async () => {
    const { id } = await submitted({ metadata: { name: 'a', x: '1' } })
    const named = async (body: object): Promise<unknown> => {
      const { name, metadata } = await answered<Body>(200, send('PATCH', id, body))
      return [name, metadata]
    }
    expect(await named({ name: 'b' })).toEqual(['b', { name: 'b', x: '1' }])
    expect(await named({ metadata: { name: 'c' } })).toEqual(['c', { name: 'c', x: '1' }])
    expect(await named({ metadata: { name: null } })).toEqual([null, { x: '1' }])
    expect(await named({ name: 'd' })).toEqual(['d', { x: '1' }])
  })

  test.each([
    [{}, 'body'],
    [{ status: 'success' }, 'status'],
    [{ name: 'a\u0007' }, 'name'],
    [{ metadata: { a: 1 } }, 'metadata.a'],
    [{ expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    [{ expiresAt: 'never' }, 'expiresAt'],
    [{ metadata: Object.fromEntries(Array.from({ length: 16 }, (_, n) => [`new ${n}`, 'x'])) }, '16 pairs'],
  ])('%j is refused by name, and changes nothing', async (body, field) => {
    const before = await submitted({ name: 'a', metadata: { x: '1' } })
    expect((await answered<{ message: string }>(400, send('PATCH', before.id, body))).message).toContain(field)
    expect(await poll(before.id)).toMatchObject({ name: 'a', metadata: { x: '1' } })
  })

  test('is not for another key', async () => {
    const { id } = await submitted()
    for (const path of [id, 'nonsense']) {
      expect(
        (await stranger.fetch(`${REQUESTS}/${path}`, { method: 'PATCH', ...jsonBody({ name: 'x' }) })).status,
      ).toBe(404)
    }
  })
})

describe('the list', () => {
  const idsOf = ({ requests }: Page): readonly string[] => requests.map(({ id }) => id)

  test('is by status, model, metadata, time and name', async () => {
    const metadata = { list: 'filters' }
    const failed = await ended('failed', { name: 'Straße 1.mp3', metadata, model: 'openai/whisper-tiny' })
    const done = await ended('success', { name: 'Avenue 2.mp3', metadata: { ...metadata, 'case no.': 'a=b&c' } })
    const { id: waiting } = await submitted({ metadata })
    const of = async (query: string): Promise<readonly string[]> => idsOf(await list(`metadata.list=filters&${query}`))
    expect(await of('')).toEqual([waiting, done, failed])
    expect(await of('order=oldest')).toEqual([failed, done, waiting])
    expect(await of('status=failed')).toEqual([failed])
    expect(await of('status=failed&status=success')).toEqual([done, failed])
    expect(await of('model=openai/whisper-tiny')).toEqual([failed])
    expect(await of('model=openai/whisper-tiny&model=sotto/whisper-demo')).toEqual([waiting, done, failed])
    expect(await of('metadata.case%20no.=a%3Db%26c')).toEqual([done])
    expect(await of('q=STRASSE')).toEqual([failed])
    const { acceptedAt } = await poll(waiting)
    expect(await of(`from=${acceptedAt}`)).toEqual([waiting])
    expect(await of('to=2026-01-31')).toEqual([])
    expect(await of('from=2026-01-31&to=2090-01-01T00:00:00%2B01:00')).toEqual([waiting, done, failed])
    expect(idsOf(await list('metadata.list=filters', stranger))).toEqual([])
  })

  test('goes on both ways, also beside jobs that are gone, and as clients of earlier versions do', async () => {
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.unshift(await ended('cancelled', { metadata: { list: 'pages' } }))
    const page = (query: string): Promise<Page> => list(`metadata.list=pages&limit=2&${query}`)
    const first = await page('')
    expect([idsOf(first), first.previous]).toEqual([ids.slice(0, 2), null])
    expect((await client.fetch(`${REQUESTS}/${ids[1]}`, { method: 'DELETE' })).status).toBe(204)
    const second = await page(`cursor=${first.next}`)
    expect(idsOf(second)).toEqual(ids.slice(2, 4))
    expect(await page(`before=${ids[1]}`)).toEqual(second)
    expect(idsOf(await page(`cursor=${second.previous}`))).toEqual(ids.slice(0, 1))
    const third = await page(`cursor=${second.next}`)
    expect([idsOf(third), third.next]).toEqual([ids.slice(4), null])
  })

  test.each([
    ['status=done', 'status'],
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=ten', 'limit'],
    ['cursor=17', 'cursor'],
    ['before=nonsense', 'before'],
    ['order=up', 'order'],
    ['from=yesterday', 'from'],
    ['to=2026-13-01', 'to'],
    ['q=', 'q'],
    ['q=a%00', 'q'],
    ['model=a%00', 'model'],
    ['metadata.a=1&metadata.a=2', 'metadata.a'],
    ['metadata.=1', 'metadata.'],
    ['metadata.a=%00', 'metadata.a'],
    [Array.from({ length: 17 }, (_, n) => `metadata.k${n}=x`).join('&'), '17 pairs'],
    ['cursor=01a21892-5d89-7000-a401-b914ce0f8cd9&before=01a21892-5d89-7000-a401-b914ce0f8cd9', 'before'],
  ])('%s is refused by name', async (query, field) => {
    expect((await answered<{ message: string }>(400, client.fetch(`${REQUESTS}?${query}`))).message).toContain(field)
  })
})

describe('a finished job', () => {
  test('says what was asked for, what happened and what it took', async () => {
    const { id, input: accepted } = await submitted({ input: { language: 'en', beam_size: 2 } })
    expect(accepted).toMatchObject({ language: 'en', beam_size: 2, best_of: null })
    const lease = await leaseOf(id)
    await api.backend.jobs.keepWindow(lease, 0, '{}', 2.5)
    await api.backend.jobs.fail(lease, { code: 'engine.failed', message: 'It failed.' })
    const { input, ...body } = await poll(id)
    expect(input).toEqual(accepted)
    expect(body).toMatchObject({ usage: { audioSeconds: 2.5, runSeconds: expect.any(Number) } })
    interface History {
      readonly events: readonly { readonly kind: string; readonly sequence: number }[]
      readonly next: number | null
    }
    const history = await client.json<History>(200, `${REQUESTS}/${id}/history`)
    expect(history).toMatchObject({
      events: [
        { kind: 'accepted' },
        { kind: 'claimed', data: { worker: 'the worker' } },
        { kind: 'finished', data: { status: 'failed', code: 'engine.failed' } },
      ],
      next: null,
    })
    const { events } = await client.json<History>(200, `${REQUESTS}/${id}/history?windows=true`)
    expect(events.map(({ kind }) => kind)).toEqual(['accepted', 'claimed', 'window', 'finished'])
    const rest = await client.json<History>(200, `${REQUESTS}/${id}/history?after=${events[1]?.sequence}`)
    expect(rest.events.map(({ kind }) => kind)).toEqual(['finished'])
    expect((await client.fetch(`${REQUESTS}/${id}/history?after=-1`)).status).toBe(400)
    expect((await stranger.fetch(`${REQUESTS}/${id}/history`)).status).toBe(404)
  })

  test('is submitted again as it was, however it ended', async () => {
    for (const status of ['success', 'failed', 'cancelled'] as const) {
      const id = await ended(status, { name: 'a', metadata: { x: '1' }, timeoutSeconds: 60, removeAfterSeconds: 90 })
      const { response: again } = await answered<{ response: Body }>(202, send('POST', `${id}/retry`, {}))
      expect(again.id).not.toBe(id)
      expect(again).toMatchObject({ status: 'accepted', name: 'a', metadata: { x: '1' }, removeAfterSeconds: 90 })
      expect((await poll(again.id)).input).toEqual(newJob().input)
    }
  })

  test('is submitted again otherwise', async () => {
    const id = await ended('success', { name: 'a', metadata: { x: '1' } })
    const changes = { model: 'openai/whisper-tiny', serviceTier: 'gpuflex', input: { language: 'de' } }
    const labels = { name: 'b', metadata: {}, priority: 'low' }
    const { response: again } = await answered<{ response: Body }>(
      202,
      send('POST', `${id}/retry`, { ...changes, ...labels }),
    )
    expect(again).toMatchObject({ ...labels, model: 'openai/whisper-tiny', serviceTier: 'gpuflex' })
    expect(again.input).toMatchObject({ language: 'de', temperature: 0, best_of: null })
    const onlyModel = await answered<{ response: Body }>(
      202,
      send('POST', `${id}/retry`, { model: 'openai/whisper-tiny' }),
    )
    expect(onlyModel.response.input).toMatchObject({ language: 'en' })
  })

  test('is submitted again once for one Idempotency-Key', async () => {
    const id = await ended('failed')
    const retry = (body?: object) =>
      client.fetch(`${REQUESTS}/${id}/retry`, {
        ...{ method: 'POST', headers: { 'idempotency-key': 'again' } },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const first = await answered<{ response: Body }>(202, retry())
    const replayed = await retry({})
    expect([replayed.status, replayed.headers.get('idempotent-replayed')]).toEqual([202, 'true'])
    expect(((await replayed.json()) as { response: Body }).response.id).toBe(first.response.id)
    expect((await retry({ name: 'x' })).status).toBe(422)
  })

  test.each([
    [{ model: 'no/model' }, 'no/model'],
    [{ input: { beams: 5 } }, 'beams'],
    [{ input: 7 }, 'input'],
    [{ model: 'openai/whisper-tiny', input: { beam_size: 0 } }, 'beam_size'],
    [{ serviceTier: 'tpu' }, 'serviceTier'],
    [{ URL: 'x' }, 'URL'],
    [{ name: '\n' }, 'name'],
  ])('is not submitted again with %j', async (body, field) => {
    const id = await ended('failed')
    expect((await answered<{ message: string }>(400, send('POST', `${id}/retry`, body))).message).toContain(field)
  })

  test('is submitted again only when it has finished', async () => {
    const { id } = await submitted()
    expect((await answered<{ message: string }>(409, send('POST', `${id}/retry`, {}))).message).toContain('pending')
  })
})

describe('actions on many', () => {
  const act = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
    client.fetch(`${REQUESTS}/actions`, { method: 'POST', headers, body: JSON.stringify(body) })
  const done = (body: object, headers?: Record<string, string>): Promise<Outcomes> => answered(200, act(body, headers))

  test('by ids say of each what became of it', async () => {
    const failed = await ended('failed')
    const success = await ended('success')
    const { id: waiting } = await submitted()
    const ids = [waiting, success, 'nonsense', failed, waiting]
    const cancelled = await done({ action: 'cancel', ids })
    expect(cancelled).toEqual({
      results: [
        { id: waiting, code: 200 },
        { id: success, code: 409, message: expect.stringContaining('success') },
        { id: 'nonsense', code: 404, message: expect.any(String) },
        { id: failed, code: 409, message: expect.any(String) },
      ],
      next: null,
    })
    const { results } = await done({ action: 'retry', ids: [success, failed] })
    expect(results).toMatchObject([{ code: 202 }, { code: 202 }])
    for (const { newId = '' } of results) expect((await poll(newId)).status).toBe('pending')
    expect((await done({ action: 'remove', ids: [failed, results[0]?.newId] })).results).toMatchObject([
      { code: 204 },
      { code: 409 },
    ])
    expect((await client.fetch(`${REQUESTS}/${failed}`)).status).toBe(404)
    const foreign = await stranger.fetch(`${REQUESTS}/actions`, {
      method: 'POST',
      ...jsonBody({ action: 'remove', ids: [success] }),
    })
    expect(await foreign.json()).toMatchObject({ results: [{ code: 404 }] })
    expect((await api.backend.jobs.find(success))?.status).toBe('success')
  })

  test('by a filter are for those jobs that they can be for', async () => {
    const metadata = { batch: '7' }
    const failed = await ended('failed', { metadata })
    const cancelled = await ended('cancelled', { metadata })
    const success = await ended('success', { metadata })
    const { id: waiting } = await submitted({ metadata })
    const codes = async (body: object) => {
      const { results, next } = await done({ filter: { metadata }, ...body })
      expect(next).toBeNull()
      return results.map(({ id, code }) => [id, code])
    }
    expect(await codes({ action: 'cancel' })).toEqual([[waiting, 200]])
    expect(await codes({ action: 'retry', filter: { metadata, status: 'success' } })).toEqual([[success, 202]])
    const again = await list('metadata.batch=7&status=pending')
    expect(await codes({ action: 'cancel', filter: { metadata, q: 'nothing' } })).toEqual([])
    expect(await codes({ action: 'remove' })).toEqual([waiting, success, cancelled, failed].map((id) => [id, 204]))
    expect((await list('metadata.batch=7')).requests.map(({ id }) => id)).toEqual(again.requests.map(({ id }) => id))
  })

  test('on more than one request takes go on behind', async () => {
    const metadata = { batch: 'long' }
    const jobs = Array.from({ length: 205 }, () => newJob({ keyId, metadata }))
    await Promise.all(jobs.map((job) => api.backend.jobs.submit(job)))
    const first = await done({ action: 'cancel', filter: { metadata } })
    expect(first.results).toHaveLength(200)
    const second = await done({ action: 'cancel', filter: { metadata }, cursor: first.next })
    expect([second.results.length, second.next]).toEqual([5, null])
    expect((await list('metadata.batch=long&status=pending')).requests).toEqual([])
  })

  test('that are sent again make no more jobs', async () => {
    const ids = [await ended('failed'), await ended('failed')]
    const first = await done({ action: 'retry', ids }, { 'idempotency-key': 'bulk' })
    expect(new Set(first.results.map(({ newId }) => newId)).size).toBe(2)
    expect(await done({ action: 'retry', ids: [...ids] }, { 'idempotency-key': 'bulk' })).toEqual(first)
    expect(await done({ action: 'retry', ids })).not.toEqual(first)
  })

  test.each([
    [{ action: 'explode', ids: ['x'] }, 'action'],
    [{ action: 'cancel' }, 'ids'],
    [{ action: 'cancel', ids: [] }, 'ids'],
    [{ action: 'cancel', ids: Array.from({ length: 201 }, (_, n) => String(n)) }, 'ids'],
    [{ action: 'cancel', ids: ['x'], filter: {} }, 'ids'],
    [{ action: 'cancel', ids: ['x'], cursor: '01a21892-5d89-7000-a401-b914ce0f8cd9' }, 'ids'],
    [{ action: 'remove', filter: { status: 'processing' } }, 'filter.status'],
    [{ action: 'remove', filter: { statsu: 'failed' } }, 'statsu'],
  ])('%j is refused by name', async (body, field) => {
    expect((await answered<{ message: string }>(400, act(body))).message).toContain(field)
  })
})

describe('usage', () => {
  test('is what the key has used, of jobs that are removed too', async () => {
    interface Used {
      readonly usage: readonly { readonly model: string; readonly jobs: number; readonly audioSeconds: number }[]
    }
    const used = (query = '', as = client): Promise<Used> => as.json(200, `/v1/usage${query}`)
    const model = 'openai/whisper-base'
    const id = await ended('success', { model, audioSeconds: 12.5 })
    await ended('failed', { model, audioSeconds: 99 })
    expect((await client.fetch(`${REQUESTS}/${id}`, { method: 'DELETE' })).status).toBe(204)
    const sums = {
      ...{
        model,
        jobs: 2,
        succeeded: 1,
        failed: 1,
        cancelled: 0,
        failures: { 'engine.failed': 1 },
        audioSeconds: 12.5,
      },
      runSeconds: expect.any(Number),
    }
    const day = expect.stringMatching(/^\d{4}-\d\d-\d\d$/)
    expect(await used(`?model=${model}`)).toEqual({ usage: [{ ...sums, day }] })
    expect((await used('?by=model&days=1')).usage).toContainEqual(sums)
    expect(await used('', stranger)).toEqual({ usage: [] })
    for (const query of ['?by=week', '?days=0', '?days=367', '?days=x'])
      expect((await client.fetch(`/v1/usage${query}`)).status).toBe(400)
  })
})

test('the OpenAPI document describes all of it', async () => {
  const { paths } = await client.json<{ paths: Readonly<Record<string, object>> }>(200, '/openapi.json')
  expect(Object.keys(paths)).toEqual(
    expect.arrayContaining([`${REQUESTS}/actions`, `${REQUESTS}/{id}/history`, '/v1/usage']),
  )
  expect(Object.keys(paths[`${REQUESTS}/{id}`] ?? {}).toSorted()).toEqual(['delete', 'get', 'patch'])
})
