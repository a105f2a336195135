import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { newJob } from '../../jobs/new-job.fixture.ts'
import { resultKeyOf } from '../../jobs/result-key.ts'
import { EVERY_TIER, claimed } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import type { ErrorCode } from '../../contract/error-codes.ts'
import type { NewJob } from '../../jobs/job-store.ts'
import { FolderPayloadStore } from '../../payloads/folder/folder-store.ts'
import { EngineProcessError } from '../errors.ts'
import { JobRun } from './job-run.ts'
import type { JobRunOptions } from './job-run.ts'
import { Stopped } from './settling.ts'
import { SpeedMeter } from './speed-meter.ts'
import type { Transcriber, TranscriptionControl, TranscriptionTask } from '../transcriber.ts'

const TRANSCRIPT = { text: 'a word', language: 'en', duration: 90, segments: [] }
const ANY_PLACE = { engine: undefined }

type Transcribe = Transcriber['transcribe']

/** A job that was claimed, on a real database and payload store, and a transcriber that does what the test says. */
async function open(transcribe: Transcribe, asked: Partial<NewJob> = {}) {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-job-run-')))
  const database = stack.use(await openSqlite(path))
  const jobs = new SqlJobStore(database)
  const payloads = await FolderPayloadStore.open(join(path, 'payloads'))
  const { job } = await jobs.submit(newJob(asked))
  await payloads.write(job.payloadKey, Readable.from([Buffer.from('sound')]))
  const claim = await claimed(jobs)
  const stop = new AbortController()
  const transcriber: Transcriber = {
    transcribe,
    decodesHere: true,
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
  const options: JobRunOptions = {
    ...{ jobs, payloads, transcriber, logger: pino({ level: 'silent' }), leaseMs: 60_000, maxRunMs: null },
    ...{ limits: { failures: 3, crashes: 3 }, speed: new SpeedMeter() },
  }
  const opened = stack.move()
  return {
    ...{ database, jobs, payloads, claim, stop },
    run: (admission: ConstructorParameters<typeof JobRun>[2] = ANY_PLACE, given: Partial<JobRunOptions> = {}) =>
      new JobRun({ ...options, ...given }, claim, admission).run(stop.signal),
    found: () => jobs.find(job.id),
    /** What is stored as its result; undefined: nothing. */
    result: async (): Promise<string | undefined> => {
      const stored = await payloads.read(resultKeyOf(job.id, claim.lease.attempt)).catch(() => undefined)
      return stored && (await text(stored))
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** As if its lease had run out, and another worker had the job. */
async function takeAway({ jobs, database }: Opened): Promise<void> {
  await database.queries.updateTable('jobs').set({ lease_until: 0 }).execute()
  await jobs.reap({ crashes: 3 })
  await claimed(jobs)
}

type Opened = Awaited<ReturnType<typeof open>>

test('a transcript is stored before the job says that there is one', async () => {
  const tasks: TranscriptionTask[] = []
  await using place = await open(async (task) => {
    tasks.push(task)
    return TRANSCRIPT
  })
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'success', resultKey: expect.any(String) })
  expect(JSON.parse((await place.result()) ?? '')).toEqual(TRANSCRIPT)
  expect(tasks).toMatchObject([{ model: 'sotto/whisper-demo', parameters: { language: 'en' }, resumeFrom: [] }])
})

test('the transcriber gets the place that the job was admitted to', async () => {
  const engine = () => Promise.reject(new EngineProcessError('engine.crashed', 'It died.'))
  await using place = await open(async (task) => {
    expect(task.engine).toBe(engine)
    return TRANSCRIPT
  })
  await place.run({ engine })
  expect(await place.found()).toMatchObject({ status: 'success' })
})

describe('a worker that lost its lease', () => {
  test('while it transcribed takes its result away again, and leaves the job to who has it', async () => {
    await using place = await open(async () => {
      await takeAway(place)
      return TRANSCRIPT
    })
    await place.run()
    expect(await place.result()).toBeUndefined()
    expect(await place.found()).toMatchObject({ status: 'processing', attempt: 2, crashes: 1 })
  })

  test('is told by a heartbeat, and ends what it does', async () => {
    const reasons: unknown[] = []
    await using place = await open(async (_task, control) => {
      await takeAway(place)
      reasons.push(await aborted(control))
      throw reasons[0]
    })
    await place.run(ANY_PLACE, { leaseMs: 40 })
    expect(reasons).toMatchObject([{ reason: 'lost' }])
    expect(await place.found()).toMatchObject({ status: 'processing', attempt: 2 })
  })
})

async function aborted({ signal }: TranscriptionControl): Promise<unknown> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  return signal.reason
}

describe('a job goes back uncounted', () => {
  const UNCOUNTED = { status: 'pending', failures: 0, crashes: 0, waitingFor: null }

  test('when there is no room for it after all, after a moment, and is not even begun', async () => {
    let tasks = 0
    await using place = await open(async () => {
      tasks += 1
      return TRANSCRIPT
    })
    await place.run(null)
    expect(await place.found()).toMatchObject(UNCOUNTED)
    expect(tasks).toBe(0)
    // Its pause is not over.
    expect(await place.jobs.claim(EVERY_TIER)).toEqual([])
  })

  test('when its weights have come, and there is no room for it', async () => {
    await using place = await open(async (task) => {
      await task.engine?.()
      return TRANSCRIPT
    })
    await place.run({ engine: () => Promise.reject(new Stopped('no-room')) })
    expect(await place.found()).toMatchObject(UNCOUNTED)
  })

  test('when its worker stops, for the next one to take at once', async () => {
    await using place = await open(async (_task, control) => {
      place.stop.abort()
      throw await aborted(control)
    })
    await place.run()
    expect(await place.found()).toMatchObject(UNCOUNTED)
    expect(await place.jobs.claim(EVERY_TIER)).toHaveLength(1)
  })
})

test('a full disk costs none of its tries, and others that may pass do', async () => {
  const code: { now: ErrorCode } = { now: 'engine.disk_full' }
  await using place = await open(() => Promise.reject(new EngineProcessError(code.now, 'It went wrong.')))
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'pending', failures: 0, deferrals: 1 })
  code.now = 'engine.failed'
  await using other = await open(() => Promise.reject(new EngineProcessError(code.now, 'It went wrong.')))
  await other.run()
  expect(await other.found()).toMatchObject({ status: 'pending', failures: 1, deferrals: 0 })
})

test('a cancelled job ends at once, and is cancelled', async () => {
  await using place = await open(async (_task, control) => {
    await place.jobs.cancel(place.claim.job.id)
    throw await aborted(control)
  })
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'cancelled' })
})

test('a job that was cancelled before its run began is not begun', async () => {
  let tasks = 0
  await using place = await open(async () => {
    tasks += 1
    return TRANSCRIPT
  })
  await place.jobs.cancel(place.claim.job.id)
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'cancelled' })
  expect(tasks).toBe(0)
})

test.each([
  ['the client allows', { timeoutSeconds: 0.01 }, {}, 'job.timeout'],
  ['the server allows', {}, { maxRunMs: 10 }, 'job.too_slow'],
])('a job fails that runs longer than %s', async (_who, asked, given, code) => {
  await using place = await open(async (_task, control) => {
    throw await aborted(control)
  }, asked)
  await place.run(ANY_PLACE, given)
  expect(await place.found()).toMatchObject({ status: 'failed', error: { code } })
})

test('what is no transcript is not stored, and the job says so', async () => {
  await using place = await open(async () => ({ ...TRANSCRIPT, duration: Number.NaN }))
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'failed', error: { code: 'engine.bad_result' } })
  expect(await place.result()).toBeUndefined()
})
