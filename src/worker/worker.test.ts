import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { JobStoreError } from '../jobs/errors.ts'
import type { Job } from '../jobs/job.ts'
import { submitted } from '../jobs/new-job.fixture.ts'
import { SqlJobStore } from '../jobs/sql/sql-store.ts'
import { openSqlite } from '../jobs/sqlite/database.ts'
import type { JobStore, NewJob } from '../jobs/job-store.ts'
import { WorkerRegistry } from '../jobs/queue/worker-registry.ts'
import { FolderPayloadStore } from '../payloads/folder/folder-store.ts'
import { EnginePool } from './engines/engine-pool.ts'
import type { Transcriber } from './transcriber.ts'
import { Worker } from './worker.ts'
import type { WorkerOptions } from './worker.ts'

const TRANSCRIPT = { text: '', language: 'en', duration: 90, segments: [] }
const PAYLOAD_KEY = 'uploads/one.mp3'
const logger = pino({ level: 'silent' })

afterEach(() => void vi.useRealTimers())

/** A real database and payload store, and a transcriber that does what the test says. */
async function open(store: (jobs: JobStore) => JobStore = (jobs) => jobs) {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-worker-')))
  const database = stack.use(await openSqlite(path))
  const jobs = new SqlJobStore(database)
  const payloads = await FolderPayloadStore.open(join(path, 'payloads'))
  await payloads.write(PAYLOAD_KEY, Readable.from([Buffer.from('sound')]))
  const workers = new WorkerRegistry(database)
  const settings = { precision: 'f32', threads: 1, batch: 1, temporaryFolder: path, cacheFolder: path } as const
  // Loading takes no time, and no model has to be let serve before another one.
  const nowMs = (): number => 0
  const pool = stack.use(new EnginePool({ settings, computing: 1, ttlMs: 60_000, memoryBytes: 100, nowMs, logger }))
  const opened = stack.move()
  return {
    ...{ database, jobs, workers },
    submit: (job: Partial<NewJob> = {}): Promise<Job> => submitted(jobs, { payloadKey: PAYLOAD_KEY, ...job }),
    /** Each model takes all memory, and has three places, the last of them for short jobs. */
    engines: {
      pool,
      needsOf: async (model: string) => ({ modelFolder: model, bytes: 100, places: 3 }),
    },
    work: (given: Partial<Transcriber>, options: Partial<WorkerOptions> = {}): Worker => {
      const transcriber: Transcriber = {
        ...{ transcribe: async () => TRANSCRIPT, decodesHere: true, check: async () => undefined },
        ...{ [Symbol.asyncDispose]: async () => undefined },
        ...given,
      }
      return new Worker({
        ...{ jobs: store(jobs), payloads, transcriber, workers, logger, leaseMs: 60_000, maxRunMs: null },
        ...{ places: 1, expressPlaces: 0, served: 'cpuflex', asked: ['cpuflex'], models: null },
        ...{ limits: { failures: 3, crashes: 3 } },
        ...options,
      })
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

test('somebody who keeps the synchronous API busy does not stop another key’s jobs', async () => {
  await using place = await open()
  const urgent = { keyId: 'busy', audioSeconds: 60, urgent: true }
  const long = await place.submit({ keyId: 'other', audioSeconds: 10_800 })
  for (let n = 0; n < 8; n++) await place.submit(urgent)
  // Another one comes with each that is done: there are always some that wait.
  const transcribe = async () => {
    await place.submit(urgent)
    return TRANSCRIPT
  }
  await using _ = place.work({ transcribe })
  await expect.poll(async () => (await place.jobs.find(long.id))?.status).toBe('success')
  const finished = await place.database.queries
    .selectFrom('jobs')
    .select('urgent')
    .where('status', '=', 'success')
    .orderBy('completed_at')
    .limit(4)
    .execute()
  expect(finished.map((row) => row.urgent)).toEqual([1, 1, 1, 0])
})

test('a model that was kept out comes before further jobs of the one that has the memory', async () => {
  await using place = await open()
  const begun: string[] = []
  const ends: (() => void)[] = []
  const transcribe: Transcriber['transcribe'] = async ({ model, engine }) => {
    using _ = await engine?.()
    begun.push(model)
    if (begun.length > 2) return TRANSCRIPT
    await new Promise<void>((end) => ends.push(end))
    return TRANSCRIPT
  }
  const jobs = [await place.submit({ model: 'a' }), await place.submit({ model: 'a' })]
  await using _ = place.work({ engines: place.engines, transcribe }, { places: 8, starvationBoundMs: 0 })
  await expect.poll(() => begun).toEqual(['a', 'a'])
  for (const model of ['b', 'a']) jobs.push(await place.submit({ model }))
  for (const end of ends) end()
  for (const { id } of jobs) await expect.poll(async () => (await place.jobs.find(id))?.status).toBe('success')
  expect(begun).toEqual(['a', 'a', 'b', 'a'])
})

test('a place is free again at once however its job ended, and never has two', async () => {
  // No look comes by itself.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  await using place = await open()
  const jobs = [await place.submit(), await place.submit(), await place.submit()]
  let running = 0
  let most = 0
  const outcomes = [() => Promise.reject(new Error('a bug')), () => Promise.resolve({ ...TRANSCRIPT, duration: NaN })]
  const transcribe = async () => {
    most = Math.max(most, ++running)
    await nextTurn()
    running -= 1
    return await (outcomes.shift() ?? (() => Promise.resolve(TRANSCRIPT)))()
  }
  await using _ = place.work({ transcribe })
  const statuses = () => Promise.all(jobs.map(async ({ id }) => (await place.jobs.find(id))?.status))
  while ((await statuses())[2] !== 'success') await delay(5)
  expect((await statuses())[1]).toBe('failed')
  expect(most).toBe(1)
})

test('running jobs go back when it ends, and it is no longer among the workers', async () => {
  await using place = await open()
  const { id } = await place.submit()
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const transcribe: Transcriber['transcribe'] = async (_task, { signal }) => {
    begin()
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    throw signal.reason
  }
  const worker = place.work({ transcribe })
  await begun
  await expect.poll(() => place.workers.list()).toMatchObject([{ places: 1, asked: ['cpuflex'] }])
  await worker[Symbol.asyncDispose]()
  expect(await place.jobs.find(id)).toMatchObject({ status: 'pending', failures: 0, crashes: 0 })
  expect(await place.workers.list()).toEqual([])
})

describe('by its clock', () => {
  test('it says every five seconds that it is there', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    await using place = await open()
    await using _ = place.work({})
    await expect.poll(() => place.workers.list()).toHaveLength(1)
    await place.database.queries.updateTable('workers').set({ seen_at: 0 }).execute()
    vi.advanceTimersByTime(4999)
    expect(await place.workers.list()).toEqual([])
    vi.advanceTimersByTime(1)
    await expect.poll(() => place.workers.list()).toHaveLength(1)
  })

  test('it finds within a second what no news told of', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    await using place = await open()
    await using _ = place.work({})
    await expect.poll(() => place.workers.list()).toHaveLength(1)
    // Another process's, whose news got lost.
    const { id } = await submitted(new SqlJobStore(place.database), { payloadKey: PAYLOAD_KEY })
    vi.advanceTimersByTime(1000)
    await expect.poll(async () => (await place.jobs.find(id))?.status).toBe('success')
  })

  test('it does nothing any more when it has ended', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    await using place = await open()
    const worker = place.work({})
    await worker[Symbol.asyncDispose]()
    expect(vi.getTimerCount()).toBe(0)
    expect(await place.workers.list()).toEqual([])
  })
})

test('how fast it goes is told as soon as it is news', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] })
  await using place = await open()
  await place.submit({ model: 'a' })
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const transcribe: Transcriber['transcribe'] = async (_task, { onExpectedSpeed }) => {
    onExpectedSpeed?.(40)
    await ended
    return TRANSCRIPT
  }
  await using _ = place.work({ transcribe })
  await expect.poll(() => place.workers.list()).toMatchObject([{ speeds: { a: 40 } }])
  end()
})

test('it answers a check as its transcriber does, until it has ended', async () => {
  await using place = await open()
  const signals: unknown[] = []
  const check = async (signal: AbortSignal): Promise<void> => {
    signals.push(signal)
    if (signals.length > 1) throw new Error('no engine answers')
  }
  const worker = place.work({ check })
  const { signal } = new AbortController()
  await worker.check(signal)
  expect(signals).toEqual([signal])
  await expect(worker.check(signal)).rejects.toThrow('no engine answers')
  await worker[Symbol.asyncDispose]()
  await expect(worker.check(signal)).rejects.toMatchObject({ name: 'AbortError' })
  expect(signals).toHaveLength(2)
})

describe('its looks at the queues', () => {
  type Look = JobStore['waiting']

  /** What each look gets: the truth, unless the test says otherwise. */
  async function looking(look: (waiting: Look, ...given: Parameters<Look>) => ReturnType<Look>) {
    return await open(
      (jobs) =>
        new Proxy<JobStore>(jobs, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name)
            if (name === 'waiting')
              return (...given: Parameters<Look>) => look((asked) => target.waiting(asked), ...given)
            return typeof value === 'function' ? value.bind(target) : value
          },
        }),
    )
  }

  test('follow the news, and are none while there is none, also when what waits does not fit', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] })
    let looks = 0
    await using place = await looking((waiting, asked) => {
      looks += 1
      return waiting(asked)
    })
    const quiet = async (): Promise<number> => {
      for (let before = -1; before !== looks;) {
        before = looks
        for (let turn = 0; turn < 100; turn++) await nextTurn()
        await place.workers.list()
      }
      return looks
    }
    await using _ = place.work({ engines: place.engines }, { models: ['a'] })
    expect(await quiet()).toBe(1)
    await place.submit({ model: 'b' })
    expect(await quiet()).toBe(2)
  })

  test('go on when the database does not answer one', async () => {
    let failures = 2
    await using place = await looking((waiting, asked) => {
      if (failures-- > 0) return Promise.reject(new JobStoreError('store.unavailable', 'The connection broke.'))
      return waiting(asked)
    })
    const { id } = await place.submit()
    await using _ = place.work({ engines: place.engines })
    await expect.poll(async () => (await place.jobs.find(id))?.status).toBe('success')
  })
})
