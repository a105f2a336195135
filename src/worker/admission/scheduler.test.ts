import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { describe, expect, test } from 'vitest'
import type { Job } from '../../jobs/job.ts'
import { submitted } from '../../jobs/new-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import type { NewJob } from '../../jobs/job-store.ts'
import { EnginePool } from '../engines/engine-pool.ts'
import type { EngineNeeds } from '../engines/engine-places.ts'
import type { Held } from '../engines/engine-pool.ts'
import { Scheduler } from './scheduler.ts'
import type { Admission, AdmittedJob, SchedulerOptions } from './scheduler.ts'

const BOUND_MS = 5000
const LONG_AGO_SECONDS = 3600
const logger = pino({ level: 'silent' })

interface Place {
  readonly memoryBytes?: number
  /** Of each model's engine; memory is for two models unless it is said. */
  readonly enginePlaces?: number
  readonly scheduler?: Partial<SchedulerOptions>
  /** What models take that are not known, or whose weights are not here. */
  readonly needsOf?: (model: string) => Promise<EngineNeeds | undefined>
}

/** A real database, and a real pool whose engines are never asked to compute, so that none has a process. */
async function open({ memoryBytes = 200, enginePlaces = 4, needsOf, scheduler: given = {} }: Place = {}) {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-scheduler-')))
  const database = stack.use(await openSqlite(path))
  const jobs = new SqlJobStore(database)
  const clock = { ms: 100_000 }
  const nowMs = (): number => clock.ms
  const settings = { precision: 'f32', threads: 1, batch: 1, temporaryFolder: path, cacheFolder: path } as const
  const pool = stack.use(new EnginePool({ settings, computing: 1, ttlMs: 60_000, memoryBytes, nowMs, logger }))
  const known = async (model: string): Promise<EngineNeeds> => ({
    ...{ modelFolder: model, bytes: 100, places: enginePlaces },
  })
  const claims: (readonly string[])[] = []
  const store: SchedulerOptions['jobs'] = {
    waiting: (asked) => jobs.waiting(asked),
    claim: async (options) => {
      const claimed = await jobs.claim(options)
      claims.push(claimed.map(({ job }) => job.model))
      return claimed
    },
  }
  const scheduler = stack.use(
    new Scheduler({
      ...{
        worker: 'worker-1',
        jobs: store,
        engines: { pool, needsOf: needsOf ?? known },
        places: 100,
        expressPlaces: 1,
      },
      ...{ served: 'cpuflex', asked: ['cpuflex'], models: null, leaseMs: 60_000, logger, nowMs },
      ...{ starvationBoundMs: BOUND_MS, onRoom: () => undefined, ...given },
    }),
  )
  const opened = stack.move()
  const running = new Map<string, AdmittedJob>()
  return {
    ...{ jobs, database, pool, scheduler, clock, claims, running },
    submit: (model: string, job: Partial<NewJob> = {}): Promise<Job> => submitted(jobs, { model, ...job }),
    /** Models of the jobs that are let in now. */
    next: async (): Promise<readonly string[]> => {
      const admitted = await scheduler.next()
      for (const job of admitted) running.set(job.claimed.job.id, job)
      return admitted.map(({ claimed }) => claimed.job.model).toSorted()
    },
    admitted: (id: string): Admission => {
      const admission = running.get(id)?.admission
      if (admission === undefined || admission === null) throw new Error('it was not admitted')
      return admission
    },
    /** Ends running jobs of a model, or of all. */
    end: async (model?: string): Promise<void> => {
      for (const [id, { claimed, admission }] of running) {
        if (model !== undefined && claimed.job.model !== model) continue
        running.delete(id)
        await jobs.succeed(claimed.lease, 'results/1.json')
        admission?.[Symbol.dispose]()
      }
    },
    /** As if all that waits had come long ago. */
    age: async (): Promise<void> => {
      await database.queries
        .updateTable('jobs')
        .set((row) => ({ accepted_at: row('accepted_at', '-', LONG_AGO_SECONDS), ready_at: null }))
        .where('status', '=', 'pending')
        .execute()
    },
    loaded: (): readonly string[] => pool.engines.map(({ modelFolder }) => modelFolder),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

type Opened = Awaited<ReturnType<typeof open>>

async function submitMany({ submit }: Opened, model: string, count: number, job: Partial<NewJob> = {}): Promise<void> {
  for (let n = 0; n < count; n++) await submit(model, job)
}

async function engineOf(admission: Admission): Promise<Held> {
  if (admission.engine === undefined) throw new Error('it has no engine')
  return await admission.engine()
}

describe('places', () => {
  test('are taken by the claim: no other one is offered them, though nothing runs in them yet', async () => {
    await using place = await open()
    await submitMany(place, 'a', 5)
    expect(await place.next()).toEqual(['a', 'a', 'a'])
    expect(await place.next()).toEqual([])
    expect(place.claims).toHaveLength(1)
  })

  test('are free again when their job has ended, in the engine and among the worker’s', async () => {
    await using place = await open({ scheduler: { places: 3, expressPlaces: 0 } })
    await submitMany(place, 'a', 5)
    await place.next()
    expect(place.pool.engines).toMatchObject([{ holders: 3 }])
    await place.end()
    expect(place.pool.engines).toMatchObject([{ holders: 0 }])
    expect(await place.next()).toEqual(['a', 'a'])
  })

  test('of the worker are no more than it has, whatever its engines have', async () => {
    await using place = await open({ scheduler: { places: 2, expressPlaces: 1 } })
    await submitMany(place, 'a', 2)
    await submitMany(place, 'b', 2)
    expect(await place.next()).toHaveLength(2)
    expect(await place.next()).toEqual([])
    await submitMany(place, 'b', 2, { audioSeconds: 30 })
    expect(await place.next()).toEqual(['b'])
    expect(await place.next()).toEqual([])
  })

  test('for short jobs are taken by no long one, in the worker and in each engine', async () => {
    await using place = await open({ enginePlaces: 2 })
    await submitMany(place, 'a', 3)
    expect(await place.next()).toEqual(['a'])
    expect(await place.next()).toEqual([])
    const { id } = await place.submit('a', { audioSeconds: 30 })
    expect(await place.next()).toEqual(['a'])
    expect([...place.running.keys()]).toContain(id)
    expect(place.pool.engines).toMatchObject([{ holders: 2, expressHolders: 1 }])
  })

  test('are all that is asked for where nothing is shared here', async () => {
    await using place = await open({ scheduler: { engines: undefined, places: 2 } })
    for (const model of ['a', 'b', 'c']) await place.submit(model)
    expect(await place.next()).toEqual(['a', 'b'])
    expect(await place.next()).toEqual([])
    await place.end('a')
    expect(await place.next()).toEqual(['c'])
  })

  test('go to another job after so many urgent ones, in however many claims', async () => {
    await using place = await open({ enginePlaces: 1 })
    await place.submit('a', { audioSeconds: 600, priority: 'high' })
    await submitMany(place, 'a', 5, { audioSeconds: 600, urgent: true })
    const urgent: boolean[] = []
    for (let n = 0; n < 6; n++) {
      await place.next()
      urgent.push(...[...place.running.values()].map(({ claimed }) => claimed.job.urgent))
      await place.end()
    }
    expect(urgent).toEqual([true, true, true, false, true, true])
  })

  test('that become free are told of, until the scheduler is disposed', async () => {
    let told = 0
    await using place = await open({ scheduler: { onRoom: () => (told += 1) } })
    await place.submit('a')
    await place.next()
    expect(told).toBe(0)
    await place.end()
    expect(told).toBeGreaterThan(0)
    place.scheduler[Symbol.dispose]()
    const before = told
    place.pool.hold({ modelFolder: 'a', bytes: 100, places: 4 })?.[Symbol.dispose]()
    expect(told).toBe(before)
  })

  test('are for the models that the worker takes', async () => {
    await using place = await open({ scheduler: { models: ['b'] } })
    for (const model of ['a', 'b', 'c']) await place.submit(model)
    expect(await place.next()).toEqual(['b'])
    await using remote = await open({ scheduler: { models: ['b'], engines: undefined } })
    for (const model of ['a', 'b', 'c']) await remote.submit(model)
    expect(await remote.next()).toEqual(['b'])
  })
})

describe('a model that does not fit', () => {
  test('is not claimed, is passed by those that do, and costs no claim when nothing does', async () => {
    await using place = await open({ memoryBytes: 100 })
    await place.submit('a')
    await place.next()
    const waits = await place.submit('b')
    await place.submit('a')
    expect(await place.next()).toEqual(['a'])
    expect(await place.jobs.find(waits.id)).toMatchObject({ status: 'pending', attempt: 0 })
    expect(await place.next()).toEqual([])
    expect(place.claims).toHaveLength(2)
  })

  test('is let in when what stood in its way is idle, which leaves for it', async () => {
    await using place = await open({ memoryBytes: 100 })
    await place.submit('a')
    await place.next()
    await place.submit('b')
    await place.end()
    expect(await place.next()).toEqual(['b'])
    expect(place.loaded()).toEqual(['b'])
  })

  test('does not take the place of one whose jobs come with its own, where another one is idle', async () => {
    await using place = await open({ memoryBytes: 200 })
    for (const model of ['a', 'c']) {
      await place.submit(model)
      await place.next()
      await place.end()
      place.clock.ms += BOUND_MS
    }
    const loadedAtMs = place.pool.engines.find(({ modelFolder }) => modelFolder === 'a')?.loadedAtMs
    await place.submit('b')
    await place.submit('a')
    expect(await place.next()).toEqual(['a', 'b'])
    expect(place.pool.engines).toMatchObject([{ modelFolder: 'a', loadedAtMs }, { modelFolder: 'b' }])
  })

  /** Model `a` has served for as long as it has to, and is in use; `b` has been kept out for longer than the bound. */
  async function starving(given: Place = {}) {
    const place = await open({ memoryBytes: 100, ...given })
    await place.submit('a')
    await place.next()
    await place.end()
    await place.submit('a', { audioSeconds: 10_800 })
    await place.next()
    place.clock.ms += BOUND_MS
    const waits = await place.submit('b', { audioSeconds: 10_800 })
    await place.submit('a')
    await place.age()
    return { place, waits }
  }

  test('is kept out no longer than the bound: nobody else is let in, the other one drains and leaves, and comes again', async () => {
    const { place } = await starving()
    await using _ = place
    expect(await place.next()).toEqual([])
    expect(place.claims).toHaveLength(2)
    await place.end('a')
    expect(await place.next()).toEqual(['b'])
    expect(place.loaded()).toEqual(['b'])
    await place.end('b')
    expect(await place.next()).toEqual(['a'])
  })

  test('has a bound that counts anew when it was served, and not from when its jobs came', async () => {
    const { place } = await starving()
    await using _ = place
    await place.end('a')
    await place.next()
    await place.submit('b')
    await place.age()
    // The other one has had its memory for a moment.
    expect(await place.next()).toEqual(['b'])
    place.clock.ms += BOUND_MS - 1
    await place.submit('b')
    await place.age()
    expect(await place.next()).toEqual(['b'])
  })

  test('is told of in the log, once for each time that another one is closed for it', async () => {
    const lines: string[] = []
    const log = pino({ level: 'info' }, { write: (line) => void lines.push(line) })
    const { place } = await starving({ scheduler: { logger: log } })
    await using _ = place
    await place.next()
    await place.next()
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([{ modelFolder: 'a', keptOut: 'b' }])
  })

  test('opens the door again when its last job is gone', async () => {
    const { place, waits } = await starving()
    await using _ = place
    expect(await place.next()).toEqual([])
    await place.jobs.cancel(waits.id)
    expect(await place.next()).toEqual(['a'])
  })

  test('lets short jobs in beside the long one that it waits for anyway, and none when that has ended', async () => {
    const { place } = await starving()
    await using _ = place
    await place.submit('a', { audioSeconds: 30 })
    expect(await place.next()).toEqual(['a'])
    const [long = ''] = place.running.keys()
    place.admitted(long)[Symbol.dispose]()
    await place.submit('a', { audioSeconds: 30 })
    expect(await place.next()).toEqual([])
  })

  test('keeps nobody out of a model whose memory it does not need', async () => {
    const { place } = await starving({ memoryBytes: 250 })
    await using _ = place
    await place.submit('c', { audioSeconds: 10 })
    // First of all `b`, for which there is room, then there are two of them.
    expect(await place.next()).toContain('b')
    place.clock.ms += BOUND_MS
    await place.submit('d')
    await place.submit('a')
    await place.submit('b')
    await place.age()
    expect(new Set(place.loaded())).toEqual(new Set(['a', 'b']))
    expect(await place.next()).toEqual(['b'])
  })

  test.each([2, 3])('is served in turn with others: %i models, and memory for one', async (count) => {
    await using place = await open({ memoryBytes: 100, enginePlaces: 2 })
    const models = ['a', 'b', 'c'].slice(0, count)
    const served = new Map(models.map((model) => [model, 0]))
    // The first ones’ jobs always come first, and have always waited longest.
    for (const [n, model] of models.entries()) {
      await submitMany(place, model, 40, { audioSeconds: 61 + 1000 * n })
      await place.age()
    }
    for (let round = 0; round < 60; round++) {
      for (const model of await place.next()) served.set(model, (served.get(model) ?? 0) + 1)
      place.clock.ms += 1000
      await place.end()
      await place.submit(models[0] ?? '')
      await place.age()
    }
    for (const model of models) expect(served.get(model)).toBeGreaterThanOrEqual(Math.floor(60 / count) - 10)
  })
})

describe('a job whose process died before', () => {
  /** One that was running, and whose process died. */
  async function crashed(place: Opened, model: string): Promise<string> {
    const { id } = await place.submit(model)
    await place.next()
    const admitted = place.running.get(id)
    if (admitted === undefined) throw new Error('it was not claimed')
    const error = { code: 'engine.crashed', message: 'It died.' } as const
    await place.jobs.retry(admitted.claimed.lease, 'crash', error, { failures: 5, crashes: 5 })
    admitted.admission?.[Symbol.dispose]()
    place.running.delete(id)
    return id
  }

  test('gets a process of its own', async () => {
    await using place = await open()
    await place.submit('a')
    const id = await crashed(place, 'a')
    expect(await place.next()).toEqual(['a'])
    expect(place.pool.engines).toMatchObject([{ isAlone: false }, { isAlone: true, places: 1 }])
    await place.submit('a')
    place.admitted(id)[Symbol.dispose]()
    expect(place.pool.engines).toMatchObject([{ isAlone: false, holders: 1 }])
  })

  test('is not claimed while there is no memory for that, and has it when its model’s engine has drained', async () => {
    await using place = await open({ memoryBytes: 100 })
    const id = await crashed(place, 'a')
    await place.submit('a')
    const [first = ''] = await place.next()
    expect([first, ...(await place.next())]).toEqual(['a'])
    expect(place.pool.engines).toMatchObject([{ isAlone: true }])
    expect(place.running.has(id)).toBe(true)
    await place.end()
    expect(await place.next()).toEqual(['a'])
    expect(place.pool.engines).toMatchObject([{ isAlone: false }])
  })

  test('that comes unforeseen, in one claim with others, goes back when there is none', async () => {
    await using place = await open({ memoryBytes: 100 })
    const id = await crashed(place, 'a')
    await place.submit('a', { audioSeconds: 61, keyId: 'key-2' })
    expect(await place.next()).toEqual(['a', 'a'])
    expect(place.running.get(id)?.admission).toBeNull()
  })
})

describe('a model whose weights are not here', () => {
  interface Weights {
    needs: EngineNeeds | undefined
    error: Error | undefined
  }

  function weights() {
    const missing: Weights = { needs: undefined, error: undefined }
    const needsOf = async (model: string): Promise<EngineNeeds | undefined> => {
      if (model !== 'new') return { modelFolder: model, bytes: 100, places: 4 }
      if (missing.error !== undefined) throw missing.error
      return missing.needs
    }
    return { missing, needsOf }
  }
  const needs = { modelFolder: 'new', bytes: 100, places: 4 }

  test('has one job claimed to fetch them, which has no place meanwhile and keeps nobody out', async () => {
    const { needsOf } = weights()
    await using place = await open({ memoryBytes: 100, needsOf, scheduler: { places: 1, expressPlaces: 0 } })
    await submitMany(place, 'new', 3)
    expect(await place.next()).toEqual(['new'])
    expect(await place.next()).toEqual([])
    expect(place.pool.engines).toEqual([])
    await place.submit('a')
    expect(await place.next()).toEqual(['a'])
  })

  test('has them fetched also while all places are taken', async () => {
    const { needsOf } = weights()
    await using place = await open({ needsOf, scheduler: { places: 1, expressPlaces: 0 } })
    await place.submit('a')
    await place.next()
    await place.submit('new')
    expect(await place.next()).toEqual(['new'])
  })

  test('goes on when they have come and it fits', async () => {
    const { missing, needsOf } = weights()
    await using place = await open({ needsOf, scheduler: { places: 1, expressPlaces: 0 } })
    const { id } = await place.submit('new')
    await place.next()
    missing.needs = needs
    using _ = await engineOf(place.admitted(id))
    expect(place.pool.engines).toMatchObject([{ modelFolder: 'new', holders: 1 }])
    await place.submit('a')
    expect(await place.next()).toEqual([])
    place.admitted(id)[Symbol.dispose]()
    expect(place.pool.engines).toMatchObject([{ modelFolder: 'new', holders: 0 }])
    expect(await place.next()).toEqual(['a'])
  })

  test.each([
    ['memory', { memoryBytes: 100 }],
    ['the worker’s places', { scheduler: { places: 1, expressPlaces: 0 } }],
  ])('goes back when they have come, and others have %s', async (_what, given) => {
    const { missing, needsOf } = weights()
    await using place = await open({ needsOf, ...given })
    const { id } = await place.submit('new')
    await place.next()
    await place.submit('a')
    expect(await place.next()).toEqual(['a'])
    missing.needs = needs
    await expect(engineOf(place.admitted(id))).rejects.toMatchObject({ reason: 'no-room' })
    expect(place.loaded()).toEqual(['a'])
  })

  test('fails with what is wrong with them', async () => {
    const { missing, needsOf } = weights()
    await using place = await open({ needsOf })
    const { id } = await place.submit('new')
    missing.error = new Error('the weights are damaged')
    expect(await place.next()).toEqual(['new'])
    await expect(engineOf(place.admitted(id))).rejects.toThrow('damaged')
  })

  test('is fetched beside one other, and a third one’s when the first have come', async () => {
    await using place = await open({ needsOf: async () => undefined })
    for (const model of ['x', 'y', 'z']) await place.submit(model)
    expect([await place.next(), await place.next(), await place.next()]).toEqual([['x'], ['y'], []])
    await place.end('x')
    expect(await place.next()).toEqual(['z'])
  })

  test('has them fetched by the next one when the first gave up', async () => {
    const { needsOf } = weights()
    await using place = await open({ needsOf })
    await submitMany(place, 'new', 2)
    await place.next()
    await place.end()
    expect(await place.next()).toEqual(['new'])
  })
})
