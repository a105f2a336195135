import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import type { ClaimedJob } from '../../src/jobs/job-store.ts'
import { EVERY_TIER, newJob } from '../../src/jobs/new-job.fixture.ts'
import { ERROR } from '../../src/jobs/running-job.fixture.ts'
import { startApi } from '../support/api.ts'
import type { RunningApi } from '../support/api.ts'
import { jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'

type Polled = JobBody & { readonly version: string; readonly urls?: { readonly GET: string } }

let api: RunningApi
let keyId: string
beforeAll(async () => {
  api = await startApi()
  keyId = await keyOf(api)
})
afterAll(() => api[Symbol.asyncDispose]())

async function keyOf({ backend }: RunningApi): Promise<string> {
  const [key] = await new ApiKeys(backend.database).list()
  return key?.id ?? ''
}

async function submit({ backend }: RunningApi): Promise<string> {
  const given = newJob({ keyId: await keyOf({ backend } as RunningApi) })
  await backend.jobs.submit({ ...given, model: `tests/${given.id}` })
  return given.id
}

async function claim({ backend }: RunningApi, id: string): Promise<ClaimedJob> {
  const model = (await backend.jobs.find(id))?.model ?? ''
  const [claimed] = await backend.jobs.claim({ ...EVERY_TIER, places: new Map([[model, EVERY_TIER.atMost]]) })
  if (claimed === undefined) throw new Error('nothing to claim')
  return claimed
}

const pathOf = (id: string, query = ''): string => `/v1/async/requests/${id}${query}`

async function poll(of: RunningApi, id: string, query = ''): Promise<Polled> {
  return await of.client.json<Polled>(200, pathOf(id, query))
}

/** Resolves when somebody waits for a job of the key. */
async function untilWaiting({ backend }: RunningApi): Promise<void> {
  const key = await keyOf({ backend } as RunningApi)
  await expect.poll(() => backend.jobs.feed.positionOf(key)).toBeGreaterThan(0)
}

async function untilNobodyWaits({ backend }: RunningApi): Promise<void> {
  const key = await keyOf({ backend } as RunningApi)
  await expect.poll(() => backend.jobs.feed.positionOf(key)).toBe(0)
}

describe('a poll that waits', () => {
  test('without a version is answered when the job has finished', async () => {
    const id = await submit(api)
    const waiting = poll(api, id, '?wait=60')
    await untilWaiting(api)
    const { lease } = await claim(api, id)
    await api.backend.jobs.keepWindow(lease, 0, '{}', 30)
    await api.backend.jobs.fail(lease, ERROR)
    expect(await waiting).toMatchObject({ id, status: 'failed', error: ERROR })
    await untilNobodyWaits(api)
  })

  test('with a version is answered at the first change, each of which has another', async () => {
    const id = await submit(api)
    const versions: string[] = []
    const step = async (change: () => Promise<unknown>): Promise<Polled> => {
      const version = versions.at(-1) ?? (await poll(api, id)).version
      const waiting = poll(api, id, `?wait=60&version=${version}`)
      await untilWaiting(api)
      await change()
      const job = await waiting
      versions.push(job.version)
      return job
    }
    let claimed: ClaimedJob | undefined
    expect((await step(async () => (claimed = await claim(api, id)))).status).toBe('processing')
    const { lease } = claimed ?? (await claim(api, id))
    expect((await step(() => api.backend.jobs.keepWindow(lease, 0, '{}', 30))).doneSeconds).toBe(30)
    expect((await step(() => api.backend.jobs.fail(lease, ERROR))).status).toBe('failed')
    expect(new Set(versions).size).toBe(3)
  })

  test('is answered at once where the client does not know the job as it is, or nothing more can come', async () => {
    const id = await submit(api)
    expect(await poll(api, id, '?wait=60&version=old')).toMatchObject({ status: 'pending' })
    await api.backend.jobs.cancel(id)
    const { version } = await poll(api, id, '?wait=60')
    expect(await poll(api, id, `?wait=60&version=${version}`)).toMatchObject({ status: 'cancelled', version })
  })

  test('is answered with the job as it is when the time is up', async () => {
    const id = await submit(api)
    const begunMs = performance.now()
    const before = await poll(api, id)
    expect(await poll(api, id, '?wait=1')).toMatchObject({ ...before, queue: expect.anything() })
    expect(performance.now() - begunMs).toBeGreaterThan(990)
    expect(await poll(api, id, '?wait=0')).toMatchObject({ status: 'pending' })
    await api.backend.jobs.cancel(id)
  })

  test('may ask by Prefer, which is told to be heeded', async () => {
    const id = await submit(api)
    const waiting = api.client.fetch(pathOf(id), { headers: { prefer: 'respond-async, wait=120' } })
    await untilWaiting(api)
    await api.backend.jobs.cancel(id)
    const answer = await waiting
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, 'wait=60'])
    expect(await answer.json()).toMatchObject({ status: 'cancelled' })
  })

  test('may say by If-None-Match what it knows, and is answered 304 where that is all', async () => {
    const id = await submit(api)
    const plain = await api.client.fetch(pathOf(id))
    const { version } = (await plain.json()) as Polled
    const etag = plain.headers.get('etag') ?? ''
    expect(etag).toBe(`W/"${version}"`)
    const known = { headers: { 'if-none-match': `"other", ${etag}` } }
    const same = await api.client.fetch(pathOf(id), known)
    expect([same.status, await same.text()]).toEqual([304, ''])
    const waiting = api.client.fetch(pathOf(id, '?wait=60'), known)
    await untilWaiting(api)
    await api.backend.jobs.cancel(id)
    const answer = await waiting
    expect([answer.status, await answer.json()]).toMatchObject([200, { status: 'cancelled' }])
  })

  test.each(['?wait=-1', '?wait=soon', '?wait=1&wait=2'])('is refused for %s', async (query) => {
    const answer = await api.client.fetch(pathOf(await submit(api), query))
    expect(answer.status).toBe(400)
    expect(((await answer.json()) as { message: string }).message).toContain('wait in the query')
  })

  test('is over when its client leaves', async () => {
    const id = await submit(api)
    const stop = new AbortController()
    const waiting = api.client.fetch(pathOf(id, '?wait=60'), { signal: stop.signal }).catch(String)
    await untilWaiting(api)
    stop.abort()
    expect(await waiting).toContain('AbortError')
    await untilNobodyWaits(api)
  })

  test('is answered at once when the key has as many as it may have, without saying that it waited', async () => {
    await using alone = await startApi({ environment: { SOTTO_MAX_STREAMS: '1' } })
    const id = await submit(alone)
    const waiting = poll(alone, id, '?wait=60')
    await untilWaiting(alone)
    const other = await alone.client.fetch(pathOf(id), { headers: { prefer: 'wait=60' } })
    expect([other.status, other.headers.get('preference-applied')]).toEqual([200, null])
    expect(await other.json()).toMatchObject({ status: 'pending' })
    await alone.backend.jobs.cancel(id)
    expect(await waiting).toMatchObject({ status: 'cancelled' })
  })

  test('is answered when the server closes', async () => {
    await using alone = await startApi()
    const id = await submit(alone)
    const waiting = poll(alone, id, '?wait=60')
    await untilWaiting(alone)
    await alone.api.close()
    expect(await waiting).toMatchObject({ status: 'pending' })
  })
})

describe('a submit that waits', () => {
  test('shows the job when it has finished, with the result, and else as far as it is', async () => {
    const url = await api.client.upload(fixture('en-short.wav'))
    const ask = (seconds: number) =>
      api.client.json<{ response: Polled }>(202, '/v1/async/ent/tiyarofs/1/sotto/whisper-demo', {
        method: 'POST',
        body: jsonBody({ URL: url, input: {} }).body,
        headers: { ...jsonBody({}).headers, prefer: `wait=${seconds}` },
      })
    const { response: unfinished } = await ask(1)
    expect(unfinished).toMatchObject({ status: 'pending', result: null, version: expect.any(String) })
    await api.backend.jobs.cancel(unfinished.id)
    const waiting = ask(60)
    await untilWaiting(api)
    const {
      jobs: [submitted],
    } = await api.backend.jobs.list(keyId, { limit: 1 })
    await api.backend.jobs.cancel(submitted?.id ?? '')
    expect((await waiting).response).toMatchObject({
      id: submitted?.id,
      status: 'cancelled',
      urls: { GET: expect.any(String) },
    })
  })
})
