import { once } from 'node:events'
import { EventSource } from 'eventsource'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import { STREAM_EVENTS } from '../../src/api/events/event-data.ts'
import type { Passage } from '../../src/contract/transcript.ts'
import type { ClaimedJob, Lease } from '../../src/jobs/job-store.ts'
import { openSqlite } from '../../src/jobs/sqlite/database.ts'
import { EVERY_TIER, newJob } from '../../src/jobs/new-job.fixture.ts'
import { ERROR } from '../../src/jobs/running-job.fixture.ts'
import { startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { Client } from '../support/client.ts'
import { allEvents, eventsIn, openStream, segmentsOf, transitions } from '../support/event-reader.ts'
import type { SentEvent } from '../support/event-reader.ts'

function passage(firstSegment: number, ...words: readonly string[]): Passage {
  const segments = words.map((word, n) => {
    const id = firstSegment + n
    return { id, start: id, end: id + 1, text: ` ${word}` }
  })
  return { firstSegment, segments }
}

async function keyOf({ backend }: RunningApi): Promise<string> {
  const [key] = await new ApiKeys(backend.database).list()
  return key?.id ?? ''
}

async function submit(api: RunningApi, keyId?: string): Promise<string> {
  const given = newJob({ keyId: keyId ?? (await keyOf(api)) })
  const { job } = await api.backend.jobs.submit({ ...given, model: modelOf(given.id) })
  return job.id
}

/** One of its own, so that it is claimed by itself. */
function modelOf(id: string): string {
  return `tests/${id}`
}

async function claim({ backend }: RunningApi, id: string): Promise<ClaimedJob> {
  const places = new Map([[modelOf(id), { ordinary: 1, express: 0 }]])
  const [claimed] = await backend.jobs.claim({ ...EVERY_TIER, places })
  if (claimed === undefined) throw new Error('nothing to claim')
  return claimed
}

const eventsPath = (id: string): string => `/v1/async/requests/${id}/events`

/** A job of three windows, as a worker would run it; its text is `one two three four`. */
async function run(api: RunningApi): Promise<string> {
  const id = await submit(api)
  const { lease } = await claim(api, id)
  await keep(api, lease, 0, passage(0, 'one', 'two'))
  await keep(api, lease, 1, passage(2))
  await keep(api, lease, 2, passage(2, 'three'))
  await api.backend.jobs.succeed(lease, 'results/1.json', passage(0, 'one', 'two', 'three', 'four').segments)
  return id
}

async function keep({ backend }: RunningApi, lease: Lease, ordinal: number, told: Passage): Promise<void> {
  await backend.jobs.keepWindow(lease, ordinal, '{}', 30 * (ordinal + 1), told)
}

const short = ({ name, data }: SentEvent): string =>
  name === 'segments' ? `segments${String(data['text'])}` : `${name} ${String(data['status'])}`

const TOLD = [
  'status pending',
  'status processing',
  'segments one two',
  'segments',
  'segments three',
  'segments four',
  'status success',
]

/** Of a stream, the first that is as asked; the stream stays open as long as the iterator does. */
async function next(events: AsyncIterator<SentEvent>, isIt: (event: SentEvent) => boolean): Promise<SentEvent> {
  for (;;) {
    const { value } = await events.next()
    if (value === undefined) throw new Error('the stream has ended')
    if (isIt(value as SentEvent)) return value as SentEvent
  }
}

let api: RunningApi
let client: Client
beforeAll(async () => {
  api = await startApi()
  client = api.client
})
afterAll(() => api[Symbol.asyncDispose]())

describe('the events of a job', () => {
  test('are its transitions and its text, in the form that is documented, and then the end', async () => {
    const id = await submit(api)
    const reading = Array.fromAsync(eventsIn(await openStream(client, eventsPath(id))))
    const { lease } = await claim(api, id)
    await keep(api, lease, 0, passage(0, 'one', 'two'))
    await keep(api, lease, 1, passage(2))
    await keep(api, lease, 2, passage(2, 'three'))
    await api.backend.jobs.succeed(lease, 'results/1.json', passage(0, 'one', 'two', 'three', 'four').segments)
    const events = await reading
    expect(transitions(events).map(short)).toEqual(TOLD)
    expect(transitions(events).every(({ id: sequence }) => /^\d+$/.test(sequence ?? ''))).toBe(true)
    const progress = events.filter(({ name }) => name === 'progress')
    expect(progress.at(-1)).toMatchObject({ id: undefined, data: { id, doneSeconds: 90, audioSeconds: 90 } })
    const strange = events.filter(({ name, data }) => !Check(strict(name), data))
    expect(strange).toEqual([])
  })

  test('come by an answer that nothing on its way gathers', async () => {
    const response = await openStream(client, eventsPath(await run(api)))
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    expect(response.headers.get('content-encoding')).toBe(null)
    expect((await response.text()).startsWith('retry: 2000\n\n:\n\n')).toBe(true)
  })

  test('go on behind any of them, by the header or the URL, without a gap or a repeat', async () => {
    const path = eventsPath(await run(api))
    const all = transitions(await allEvents(client, path))
    expect(all.map(short)).toEqual(TOLD)
    for (const [index, { id = '' }] of all.slice(0, -1).entries()) {
      const rest = all.slice(index + 1)
      expect(transitions(await allEvents(client, path, { 'last-event-id': id }))).toEqual(rest)
      expect(transitions(await allEvents(client, `${path}?lastEventId=${id}`))).toEqual(rest)
    }
    // The URL is still the one that a client began with.
    const [first, second] = all
    const both = await allEvents(client, `${path}?lastEventId=${first?.id}`, { 'last-event-id': second?.id ?? '' })
    expect(transitions(both)).toEqual(all.slice(2))
  })

  test('are all sent again behind one that is none of the job’s', async () => {
    const other = transitions(await allEvents(client, eventsPath(await run(api))))
    const path = eventsPath(await run(api))
    for (const id of ['none', '99999999', '1e3', '-1', other[2]?.id ?? '']) {
      expect(transitions(await allEvents(client, path, { 'last-event-id': id })).map(short)).toEqual(TOLD)
    }
  })

  test('behind the last there is nothing, which ends a client for good', async () => {
    const path = eventsPath(await run(api))
    const last = (await allEvents(client, path)).at(-1)
    const answer = await client.fetch(path, { headers: { 'last-event-id': last?.id ?? '' } })
    expect([answer.status, await answer.text()]).toEqual([204, ''])
  })

  test('tell why it failed, keep the text so far, and what another run tells otherwise', async () => {
    const id = await submit(api)
    const { lease } = await claim(api, id)
    for (const n of [0, 1]) await keep(api, lease, n, passage(n, `old${n}`))
    await api.backend.jobs.release(lease)
    const again = await claim(api, id)
    await keep(api, again.lease, 1, passage(1))
    await api.backend.jobs.fail(again.lease, ERROR)
    const events = await allEvents(client, eventsPath(id))
    expect(segmentsOf(events).map(({ text }) => text)).toEqual([' old0'])
    expect(events.at(-1)).toMatchObject({ name: 'status', data: { status: 'failed', error: ERROR } })
  })

  test('of a job that a version finished which wrote none are its end, once', async () => {
    const id = await run(api)
    await api.backend.database.queries.deleteFrom('job_events').where('job_id', '=', id).execute()
    const events = await allEvents(client, eventsPath(id))
    expect(events).toMatchObject([{ id: 'end', name: 'status', data: { id, status: 'success' } }])
    expect((await client.fetch(eventsPath(id), { headers: { 'last-event-id': 'end' } })).status).toBe(204)
  })

  test('say where it stands in the queue, and when that changes', async () => {
    await using alone = await startApi()
    const before = await submit(alone)
    const id = await submit(alone)
    const events = eventsIn(await openStream(alone.client, eventsPath(id)))
    const place = ({ data }: SentEvent): unknown => (data['queue'] as { position: number } | undefined)?.position
    await next(events, (event) => place(event) === 2)
    await alone.backend.jobs.cancel(before)
    expect(await next(events, (event) => place(event) === 1)).toMatchObject({ name: 'progress' })
    await events.return()
  })

  test.each([
    ['by the poll URL’s signature', (signed: string) => signed, 200],
    ['but not by one that is changed', (signed: string) => signed.replace(/signature=./, 'signature=_'), 403],
    ['but not by another job’s', (signed: string, other: string) => signed.replace(/requests\/[^/]+/, other), 403],
    ['but not without', (signed: string) => signed.replace(/\?.*/, ''), 401],
  ])('may be read %s', async (_, change, status) => {
    const url = await client.upload(new URL('../fixtures/audio/en-short.wav', import.meta.url).pathname)
    const { id, urls } = await client.submit(url)
    await api.backend.jobs.cancel(id)
    const other = `requests/${await submit(api)}`
    const answer = await fetch(change(urls.GET.replace('?', '/events?'), other))
    expect(answer.status).toBe(status)
    await answer.text()
  })

  test('are nobody else’s, and there are none of what is no job', async () => {
    const id = await submit(api, 'somebody')
    expect((await client.fetch(eventsPath(id))).status).toBe(404)
    expect((await client.fetch(eventsPath('x'))).status).toBe(404)
    expect((await client.fetch(eventsPath(id), { method: 'HEAD' })).status).toBe(404)
  })
})

/** The schema of an event's data, without what it does not name. */
function strict(name: string): Type.TSchema {
  const schema = STREAM_EVENTS[name as keyof typeof STREAM_EVENTS]
  return Type.Object(schema.properties, { additionalProperties: false })
}

describe('the events of a key', () => {
  test('are those of all its jobs from now on, with text where that is asked for', async () => {
    await using alone = await startApi()
    await run(alone)
    const plain = eventsIn(await openStream(alone.client, '/v1/async/events'))
    const full = eventsIn(await openStream(alone.client, '/v1/async/events?segments=true'))
    const stranger = await submit(alone, 'somebody')
    await alone.backend.jobs.cancel(stranger)
    const id = await run(alone)
    for (const [events, told] of [
      [plain, TOLD.filter((one) => one.startsWith('status'))],
      [full, TOLD],
    ] as const) {
      const seen: SentEvent[] = []
      await next(events, (event) => {
        if (event.name !== 'progress') seen.push(event)
        return event.data['status'] === 'success'
      })
      expect(seen.map(short)).toEqual(told)
      expect(new Set(seen.map(({ data }) => data['id']))).toEqual(new Set([id]))
      await events.return()
    }
  })

  test('go on behind the one that is named, and from the first on behind one that was never told', async () => {
    await using alone = await startApi()
    const first = await run(alone)
    const from = async (id: string): Promise<readonly string[]> => {
      const events = eventsIn(await openStream(alone.client, '/v1/async/events', { 'last-event-id': id }))
      const seen: string[] = []
      await next(events, (event) => {
        if (event.name === 'status') seen.push(short(event))
        return event.data['status'] === 'success'
      })
      await events.return()
      return seen
    }
    const [, claimed] = await alone.backend.jobs.events(first, 0, 10)
    expect(await from(String(claimed?.sequence))).toEqual(['status success'])
    const all = ['status pending', 'status processing', 'status success']
    for (const id of ['0', 'none', '99999']) expect(await from(id)).toEqual(all)
  })

  test('have an id before the first of them, for a client that has to come back', async () => {
    await using alone = await startApi()
    await run(alone)
    const response = await openStream(alone.client, '/v1/async/events')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    const newest = (await alone.backend.jobs.eventsOfKey(await keyOf(alone), 0, 100)).at(-1)?.sequence
    expect((await reader?.read())?.value).toContain(`id: ${newest}\n\n`)
    await reader?.cancel()
  })
})

describe('a client of the standard', () => {
  test('hears all, comes back behind the last, and then ends for good', async () => {
    const id = await submit(api)
    const source = new EventSource(`${api.url}${eventsPath(id)}`, {
      fetch: (url, init) => client.fetch(String(url), init),
    })
    const seen: string[] = []
    for (const name of ['status', 'segments']) {
      source.addEventListener(name, ({ data, lastEventId }) => {
        expect(lastEventId).toMatch(/^\d+$/)
        seen.push(short({ id: lastEventId, name, data: JSON.parse(data as string) as SentEvent['data'] }))
      })
    }
    const ended = new Promise<void>((resolve) => {
      source.addEventListener('error', () => source.readyState === source.CLOSED && resolve())
    })
    await once(source as unknown as EventTarget, 'open')
    const { lease } = await claim(api, id)
    await keep(api, lease, 0, passage(0, 'one'))
    await api.backend.jobs.succeed(lease, 'results/1.json', passage(0, 'one').segments)
    await ended
    expect(seen).toEqual(['status pending', 'status processing', 'segments one', 'status success'])
  })
})

describe('streams are ended', () => {
  test('when the server closes, with when to come back', async () => {
    const alone = await startApi()
    const id = await submit(alone)
    const response = await openStream(alone.client, eventsPath(id))
    const text = response.text()
    await alone.api.close()
    await alone[Symbol.asyncDispose]()
    const [, , retryMs = '0'] = /retry: 2000[^]*(retry: (\d+)\n\n)$/.exec(await text) ?? []
    expect(Number(retryMs)).toBeGreaterThanOrEqual(1000)
  })

  test('when their key is revoked', async () => {
    await using alone = await startApi()
    // By another connection, as by the command line.
    await using database = await openSqlite(alone.dataDir)
    const keys = new ApiKeys(database)
    const key = await keys.create('another')
    const id = await submit(alone, key.id)
    const response = await openStream(new Client(alone.url, key.secret), eventsPath(id))
    const stays = await openStream(alone.client, '/v1/async/events')
    await keys.revoke(key.id)
    expect(await response.text()).toContain('status')
    expect((await new Client(alone.url, key.secret).fetch(eventsPath(id))).status).toBe(401)
    await stays.body?.cancel()
  })

  test('as many as a key may have are open, and one more when another is closed', async () => {
    await using alone = await startApi({ environment: { SOTTO_MAX_STREAMS: '2' } })
    const open = async () => await alone.client.fetch('/v1/async/events')
    const [first, second] = [await open(), await open()]
    const third = await open()
    expect([first.status, second.status, third.status]).toEqual([200, 200, 429])
    expect(((await third.json()) as { message: string }).message).toContain('2 event streams')
    await first.body?.cancel()
    await expect.poll(async () => (await open()).status).toBe(200)
    await second.body?.cancel()
  })

  test('and nothing more is looked at, when their clients leave', async () => {
    await using alone = await startApi()
    const id = await submit(alone)
    const keyId = await keyOf(alone)
    const events = eventsIn(await openStream(alone.client, eventsPath(id)))
    await next(events, () => true)
    await expect.poll(() => alone.backend.jobs.feed.positionOf(keyId)).toBeGreaterThan(0)
    await events.return()
    await expect.poll(() => alone.backend.jobs.feed.positionOf(keyId)).toBe(0)
  })
})

test('a reader who does not read gets all of it when it does', async () => {
  const id = await submit(api)
  const { lease } = await claim(api, id)
  const response = await openStream(client, eventsPath(id))
  const word = 'x'.repeat(20_000)
  for (let n = 0; n < 200; n++) await keep(api, lease, n, passage(n, word))
  await api.backend.jobs.fail(lease, ERROR)
  const events = await Array.fromAsync(eventsIn(response))
  expect(segmentsOf(events)).toHaveLength(200)
  expect(events.at(-1)?.data).toMatchObject({ status: 'failed' })
})
