import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../contract/error-codes.ts'
import { JobStoreError } from '../../jobs/errors.ts'
import { newJob } from '../../jobs/new-job.fixture.ts'
import { resultKeyOf } from '../../jobs/result-key.ts'
import { EVERY_TIER, claimed } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import type { ClaimedJob, JobStore } from '../../jobs/job-store.ts'
import { FolderPayloadStore } from '../../payloads/folder/folder-store.ts'
import type { Transcript } from '../../contract/transcript.ts'
import { EngineProcessError } from '../errors.ts'
import { JobRun } from './job-run.ts'
import { untilSettled } from './settling.ts'
import { SpeedMeter } from './speed-meter.ts'
import type { Transcriber } from '../transcriber.ts'

const TRANSCRIPT: Transcript = {
  text: 'a word',
  language: 'en',
  duration: 90,
  segments: [],
}
const FULL = new EngineProcessError('engine.disk_full', 'The disk is full.')
const never = new AbortController().signal

/** A job that was claimed, and what runs it: a real database and payload store, and an engine that does what the test says. */
async function open(
  transcribe: Transcriber['transcribe'] = async () => TRANSCRIPT,
  asked: Parameters<typeof newJob>[0] = {},
) {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-settling-')))
  const database = stack.use(await openSqlite(path))
  const jobs = new SqlJobStore(database)
  const payloads = await FolderPayloadStore.open(join(path, 'payloads'))
  const { job } = await jobs.submit(newJob(asked))
  await payloads.write(job.payloadKey, Readable.from([Buffer.from('sound')]))
  const transcriber: Transcriber = {
    transcribe,
    decodesHere: true,
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
  const run = async (
    given: ClaimedJob,
    store: JobStore = jobs,
    stop: AbortSignal = never,
    limits = { failures: 3, crashes: 3 },
  ): Promise<void> => {
    const logger = pino({ level: 'silent' })
    const options = {
      jobs: store,
      payloads,
      transcriber,
      logger,
      leaseMs: 60_000,
      maxRunMs: null,
      limits,
      speed: new SpeedMeter(),
    }
    await new JobRun(options, given, { engine: undefined }).run(stop)
  }
  const opened = stack.move()
  return {
    ...{ database, jobs, payloads, job, run },
    found: () => jobs.find(job.id),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

type Verb = 'correctLength' | 'heartbeat' | 'succeed' | 'fail' | 'retry' | 'defer'

/** The store, whose verb fails once: the database went away before it was done, or before its answer came. */
function failingOnce(jobs: SqlJobStore, verb: Verb, when: 'before' | 'after'): JobStore {
  let hasFailed = false
  return new Proxy<JobStore>(jobs, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== verb) return value.bind(target)
      return async (...given: unknown[]) => {
        const act = (): unknown => Reflect.apply(value, target, given)
        if (hasFailed) return await act()
        hasFailed = true
        if (when === 'after') await act()
        throw new JobStoreError('store.unavailable', 'The jobs database failed: the connection to it broke.')
      }
    },
  })
}

describe('a job that finds no room on the disk', () => {
  const full = (): Promise<never> => Promise.reject(FULL)

  test('waits, says why, and has used up none of its tries', async () => {
    await using fixture = await open(full)
    const { jobs, run, found } = fixture
    await run(await claimed(jobs))
    const waitingFor = {
      code: 'engine.disk_full',
      message: expect.stringContaining('The disk is full. The job waits up to 1 h'),
    }
    expect(await found()).toMatchObject({
      status: 'pending',
      failures: 0,
      crashes: 0,
      deferrals: 1,
      error: null,
      waitingFor,
    })
    expect(await jobs.claim(EVERY_TIER)).toEqual([])
  })

  test('waits longer each time', async () => {
    await using fixture = await open(full)
    const { jobs, run, database } = fixture
    const pauses: number[] = []
    for (let n = 0; n < 8; n++) {
      await run(await claimed(jobs))
      const row = await database.queries.selectFrom('jobs').select(['not_before']).executeTakeFirstOrThrow()
      pauses.push((row.not_before ?? 0) - Date.now() / 1000)
      await database.queries.updateTable('jobs').set({ not_before: null }).execute()
    }
    expect(pauses[0]).toBeLessThan(6)
    expect(pauses.at(-1)).toBeGreaterThan(140)
    expect(Math.max(...pauses)).toBeLessThan(301)
  })

  test('fails when it has waited for an hour, with its code', async () => {
    await using fixture = await open(full)
    const { jobs, run, found, database } = fixture
    await run(await claimed(jobs))
    const hourAgo = Date.now() / 1000 - 3601
    await database.queries.updateTable('jobs').set({ not_before: null, deferred_since: hourAgo }).execute()
    await run(await claimed(jobs))
    expect(await found()).toMatchObject({
      status: 'failed',
      failures: 0,
      error: { code: 'engine.disk_full' },
      waitingFor: null,
    })
  })

  test('has its hour anew when it made progress', async () => {
    await using fixture = await open(full)
    const { jobs, run, found, database } = fixture
    await run(await claimed(jobs))
    await database.queries.updateTable('jobs').set({ not_before: null, deferred_since: 0 }).execute()
    const again = await claimed(jobs)
    await jobs.keepWindow(again.lease, 0, '{}', 30)
    await run(again)
    expect(await found()).toMatchObject({ status: 'pending', deferrals: 1 })
  })
})

describe('a job whose transcript is there', () => {
  test.each(['before', 'after'] as const)('succeeds though the database goes away %s it is settled', async (when) => {
    await using fixture = await open()
    const { jobs, run, found, payloads } = fixture
    const claim = await claimed(jobs)
    await run(claim, failingOnce(jobs, 'succeed', when))
    const resultKey = resultKeyOf(claim.job.id, claim.lease.attempt)
    expect(await found()).toMatchObject({ status: 'success', resultKey, failures: 0, crashes: 0 })
    expect(await payloads.size(resultKey)).toBeGreaterThan(0)
  })

  test('succeeds though the database is away when its run begins', async () => {
    await using fixture = await open()
    const { jobs, run, found } = fixture
    await run(await claimed(jobs), failingOnce(jobs, 'heartbeat', 'before'))
    expect(await found()).toMatchObject({ status: 'success', failures: 0 })
  })

  test('and whose lease was lost takes its result away again', async () => {
    let lose = (): Promise<unknown> => Promise.resolve()
    await using fixture = await open(async () => {
      await lose()
      return TRANSCRIPT
    })
    const { jobs, run, payloads, database } = fixture
    const claim = await claimed(jobs)
    lose = () => database.queries.updateTable('jobs').set({ lease_token: 'another’s' }).execute()
    await run(claim)
    expect(await payloads.size(resultKeyOf(claim.job.id, claim.lease.attempt))).toBeUndefined()
    expect((await jobs.find(claim.job.id))?.status).toBe('processing')
  })
})

describe('a job that broke off', () => {
  const broken = (code: ErrorCode) => () => Promise.reject(new EngineProcessError(code, 'It broke.'))

  test.each([
    [
      'retry',
      'engine.failed',
      { status: 'pending', failures: 1, waitingFor: { code: 'engine.failed', message: 'It broke.' } },
    ],
    [
      'fail',
      'audio.damaged',
      { status: 'failed', failures: 0, error: { code: 'audio.damaged', message: 'It broke.' } },
    ],
  ] as const)('is settled though the database goes away: %s', async (verb, code, expected) => {
    await using fixture = await open(broken(code))
    const { jobs, run, found } = fixture
    await run(await claimed(jobs), failingOnce(jobs, verb, 'before'))
    expect(await found()).toMatchObject({ crashes: 0, ...expected })
  })

  test.each([
    ['engine.failed', 'failures'],
    ['engine.crashed', 'crashes'],
  ] as const)('by %s waits twice as long each time, up to a minute', async (code, counter) => {
    await using fixture = await open(broken(code))
    const { jobs, run, found, database } = fixture
    for (const [tries, longest] of [
      [0, 1],
      [1, 2],
      [3, 8],
      [6, 60],
      [20, 60],
    ] as const) {
      await database.queries
        .updateTable('jobs')
        .set({ [counter]: tries, not_before: null })
        .execute()
      const claim = await claimed(jobs)
      const settledFrom = Date.now() / 1000
      await run(claim, jobs, never, { failures: 99, crashes: 99 })
      const settledTo = Date.now() / 1000
      const row = await database.queries.selectFrom('jobs').select(['not_before']).executeTakeFirstOrThrow()
      expect(row.not_before).toBeGreaterThanOrEqual(settledFrom + longest / 2 - 0.002)
      expect(row.not_before).toBeLessThanOrEqual(settledTo + longest + 0.002)
      expect(await found()).toMatchObject({ status: 'pending', [counter]: tries + 1 })
    }
  })

  test('through what nobody foresaw says nothing of it, whatever it says of itself', async () => {
    const foreign = Object.assign(new Error('secret'), { code: 'engine.failed', retryable: false })
    await using fixture = await open(() => Promise.reject(foreign))
    const { jobs, run, found } = fixture
    await run(await claimed(jobs))
    const waitingFor = { code: 'server.failed', message: 'The server failed on this job. Its log says why.' }
    expect(await found()).toMatchObject({ status: 'pending', failures: 1, waitingFor })
  })

  test('since it is no short one is given back as ordinary, also by a worker that stops while the database is away', async () => {
    const stop = new AbortController()
    const tooLong = new EngineProcessError('audio.too_long', 'It is longer.')
    const transcribe = (): Promise<never> => {
      stop.abort()
      return Promise.reject(tooLong)
    }
    await using fixture = await open(transcribe, { audioSeconds: 10 })
    const { jobs, run, found } = fixture
    await run(await claimed(jobs), failingOnce(jobs, 'correctLength', 'before'), stop.signal)
    expect(await found()).toMatchObject({ status: 'pending', audioSeconds: 61, failures: 0, crashes: 0 })
  })

  test('is given back by a worker that stops', async () => {
    const stop = new AbortController()
    await using fixture = await open(async (_task, { signal }) => {
      stop.abort()
      signal.throwIfAborted()
      return TRANSCRIPT
    })
    const { jobs, run, found } = fixture
    await run(await claimed(jobs), jobs, stop.signal)
    expect(await found()).toMatchObject({ status: 'pending', failures: 0, deferrals: 0, waitingFor: null })
  })
})

describe('what settles a job', () => {
  const away = new JobStoreError('store.unavailable', 'The connection broke.')
  const logger = pino({ level: 'silent' })
  const patience = { totalMs: 600_000, firstPauseMs: 300_000, longestPauseMs: 300_000 }

  /** Fails so often, of which the test is told, and is done then. */
  function failing(times: number, onFailure: () => void = () => undefined) {
    let runs = 0
    return async (): Promise<number> => {
      runs += 1
      if (runs > times) return runs
      onFailure()
      throw away
    }
  }

  test('is not waited with by a worker that stops meanwhile, but tried again', async () => {
    const stop = new AbortController()
    const action = failing(1, () => queueMicrotask(() => stop.abort()))
    expect(await untilSettled(action, { logger, stop: stop.signal, patience })).toBe(2)
  })

  test('is tried for a moment by a worker that has stopped', async () => {
    expect(await untilSettled(failing(1), { logger, stop: AbortSignal.abort(), patience })).toBe(2)
  })

  test('fails as it does where no wait would help', async () => {
    const refused = new JobStoreError('store.refused', 'No.')
    const stop = new AbortController()
    await expect(untilSettled(() => Promise.reject(refused), { logger, stop: stop.signal, patience })).rejects.toBe(
      refused,
    )
  })
})
