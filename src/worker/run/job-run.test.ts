import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { passageOf } from '../../contract/transcript.ts'
import type { Passage } from '../../contract/transcript.ts'
import { followJob } from '../../jobs/events/follow.ts'
import { newJob } from '../../jobs/new-job.fixture.ts'
import { resultKeyOf } from '../../jobs/result-key.ts'
import { EVERY_TIER, claimed } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import type { ErrorCode } from '../../contract/error-codes.ts'
import type { ClaimedJob, NewJob } from '../../jobs/job-store.ts'
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
    ...{ database, jobs, payloads, transcriber, claim, stop },
    run: (
      admission: ConstructorParameters<typeof JobRun>[2] = ANY_PLACE,
      given: Partial<JobRunOptions> = {},
      claimedAs: ClaimedJob = claim,
    ) => new JobRun({ ...options, ...given }, claimedAs, admission).run(stop.signal),
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

describe('the heartbeats of a job', () => {
  afterEach(() => void vi.useRealTimers())

  test('are four in the time of a lease while it runs, and none after that', async () => {
    const leaseMs = 60_000
    let inOneLease = 0
    await using place = await open(async () => {
      const before = heartbeats.mock.calls.length
      vi.advanceTimersByTime(leaseMs)
      inOneLease = heartbeats.mock.calls.length - before
      return TRANSCRIPT
    })
    const heartbeats = vi.spyOn(place.jobs, 'heartbeat')
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    await place.run(ANY_PLACE, { leaseMs })
    expect(inOneLease).toBe(4)
    const whenItEnded = heartbeats.mock.calls.length
    vi.advanceTimersByTime(10 * leaseMs)
    expect(heartbeats).toHaveBeenCalledTimes(whenItEnded)
    expect(await place.found()).toMatchObject({ status: 'success' })
  })

  test('prolong its lease by all of its length', async () => {
    const leaseMs = 7_200_000
    let leaseUntil: number | null = null
    await using place = await open(async () => {
      leaseUntil =
        (await place.database.queries.selectFrom('jobs').select('lease_until').executeTakeFirst())?.lease_until ?? null
      return TRANSCRIPT
    })
    const before = Date.now() / 1000
    await place.run(ANY_PLACE, { leaseMs })
    expect(leaseUntil).toBeGreaterThan(before + leaseMs / 1000 - 60)
  })

  test('may fail: it goes on', async () => {
    await using place = await open(async () => {
      const away = vi.spyOn(place.jobs, 'heartbeat').mockRejectedValue(new Error('the database is away'))
      vi.advanceTimersByTime(60_000)
      await vi.waitFor(() => expect(away.mock.settledResults).toMatchObject([{ type: 'rejected' }]))
      return TRANSCRIPT
    })
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    await place.run(ANY_PLACE, { leaseMs: 240_000 })
    expect(await place.found()).toMatchObject({ status: 'success' })
  })
})

describe('how fast a job goes', () => {
  const model = 'sotto/whisper-demo'

  /** A speed meter with a clock of its own. */
  function meter() {
    const clock = { ms: 0 }
    return { clock, speed: new SpeedMeter({ nowMs: () => clock.ms }) }
  }

  test('is all of its recording by all of its time, where another server transcribes', async () => {
    const { clock, speed } = meter()
    const limits: unknown[] = []
    await using place = await open(
      async ({ maxAudioSeconds }) => {
        limits.push(maxAudioSeconds)
        clock.ms += 9000
        return TRANSCRIPT
      },
      { audioSeconds: 50 },
    )
    await place.run(ANY_PLACE, { speed, transcriber: { ...place.transcriber, decodesHere: false } })
    expect(speed.speeds()).toEqual({ [model]: 10 })
    // Nobody here could end it before its first window as longer than it says.
    expect(limits).toEqual([null])
    expect(await place.found()).toMatchObject({ status: 'success', audioSeconds: 90 })
  })

  test('is not known where it is transcribed here, and nothing said when its first window began', async () => {
    const { clock, speed } = meter()
    const limits: unknown[] = []
    await using place = await open(
      async ({ maxAudioSeconds }) => {
        limits.push(maxAudioSeconds)
        clock.ms += 9000
        return { ...TRANSCRIPT, duration: 50 }
      },
      { audioSeconds: 50 },
    )
    await place.run(ANY_PLACE, { speed })
    expect(speed.speeds()).toEqual({})
    expect(limits).toEqual([60])
  })

  test('is counted from its first window on, as it goes, and none of it twice', async () => {
    const { clock, speed } = meter()
    const seen: unknown[] = []
    await using place = await open(async (_task, { onProgress }) => {
      clock.ms += 60_000
      onProgress?.({ phase: 'decoding', seconds: 60, totalSeconds: null })
      clock.ms += 60_000
      onProgress?.({ phase: 'decoding', seconds: 90, totalSeconds: 90 })
      for (const seconds of [10, 20]) {
        clock.ms += 1000
        onProgress?.({ phase: 'transcribing', seconds, totalSeconds: 90 })
        seen.push(speed.speeds())
      }
      // A window that is decoded again.
      onProgress?.({ phase: 'transcribing', seconds: 15, totalSeconds: 90 })
      clock.ms += 7000
      return TRANSCRIPT
    })
    await place.run(ANY_PLACE, { speed })
    expect(seen).toEqual([{ [model]: 10 }, { [model]: 10 }])
    expect(speed.speeds()).toEqual({ [model]: 10 })
    // It has ended: what passes now is none of its time.
    const idle = speed.run(model)
    idle[Symbol.dispose]()
    clock.ms += 60_000
    expect(speed.speeds()).toEqual({ [model]: 10 })
  })

  test('counts nothing of what an earlier run has done', async () => {
    const { clock, speed } = meter()
    const tasks: TranscriptionTask[] = []
    await using place = await open(async (task, { onProgress }) => {
      tasks.push(task)
      onProgress?.({ phase: 'decoding', seconds: 90, totalSeconds: 90 })
      clock.ms += 3000
      return TRANSCRIPT
    })
    const { jobs, claim } = place
    const point = { family: 'a-family', version: 1, data: {} }
    await jobs.keepWindow(claim.lease, 0, JSON.stringify(point), 60)
    await jobs.release(claim.lease)
    await place.run(ANY_PLACE, { speed }, await claimed(jobs))
    expect(tasks).toMatchObject([{ resumeFrom: [point] }])
    expect(speed.speeds()).toEqual({ [model]: 10 })
  })
})

test('a job of which nothing can be gone on from is begun anew, and all of it counts', async () => {
  const clock = { ms: 0 }
  const speed = new SpeedMeter({ nowMs: () => clock.ms })
  await using place = await open(async (_task, { onProgress }) => {
    onProgress?.({ phase: 'decoding', seconds: 90, totalSeconds: 90 })
    clock.ms += 9000
    return TRANSCRIPT
  })
  const { jobs, claim } = place
  await jobs.keepWindow(claim.lease, 0, 'damaged', 60)
  await jobs.release(claim.lease)
  await place.run(ANY_PLACE, { speed }, await claimed(jobs))
  expect(speed.speeds()).toEqual({ 'sotto/whisper-demo': 10 })
})

test('a job whose parameters are damaged fails, and is not begun', async () => {
  let tasks = 0
  await using place = await open(async () => {
    tasks += 1
    return TRANSCRIPT
  })
  const { claim } = place
  await place.run(ANY_PLACE, {}, { ...claim, job: { ...claim.job, input: null } })
  expect(await place.found()).toMatchObject({ status: 'failed', error: { code: 'job.unreadable' } })
  expect(tasks).toBe(0)
})

test('windows are kept as they come, for who goes on with the job', async () => {
  const windows = [0, 1].map((ordinal) => ({
    ...{ ordinal, seconds: 30 * (ordinal + 1) },
    resumePoint: { family: 'a-family', version: 1, data: { ordinal } },
    passage: { firstSegment: 0, segments: [] },
  }))
  await using place = await open(async (_task, { onWindow }) => {
    for (const window of windows) onWindow?.(window)
    throw new EngineProcessError('engine.failed', 'It went wrong.')
  })
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'pending', failures: 1, doneSeconds: 60 })
  expect((await place.jobs.windows(place.claim.job.id)).map((data): unknown => JSON.parse(data))).toEqual(
    windows.map(({ resumePoint }) => resumePoint),
  )
})

test('what its windows say is told as they come, and what none of them said with the end', async () => {
  const segments = ['one', 'two', 'three'].map((word, id) => ({ id, start: id, end: id + 1, text: word, tokens: [id] }))
  await using place = await open(async (_task, { onWindow }) => {
    const windows = [passageOf(segments.slice(0, 1), 0), { firstSegment: 1, segments: [{ text: 'no segment' }] }]
    for (const [ordinal, passage] of windows.entries()) {
      const resumePoint = { family: 'a-family', version: 1, data: {} }
      onWindow?.({ ordinal, seconds: 30 * (ordinal + 1), resumePoint, passage: passage as Passage })
    }
    return { ...TRANSCRIPT, segments }
  })
  await place.run()
  const told: (readonly string[])[] = []
  for await (const { passage } of followJob(place.jobs, place.claim.job.id, { signal: place.stop.signal })) {
    expect(JSON.stringify(passage)).not.toContain('tokens')
    if (passage !== null) told.push(passage.segments.map(({ text: own }) => own))
  }
  expect(told).toEqual([['one'], ['two', 'three']])
})

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

  test('when its worker has stopped before it began, and is not begun', async () => {
    let tasks = 0
    await using place = await open(async () => {
      tasks += 1
      return TRANSCRIPT
    })
    place.stop.abort()
    await place.run()
    expect(await place.found()).toMatchObject(UNCOUNTED)
    expect(tasks).toBe(0)
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
  const message = expect.stringContaining('still running after the 0.01 s')
  expect(await place.found()).toMatchObject({ status: 'failed', error: { code, message } })
})

test('a job may run for all the seconds that its client allows', async () => {
  const aborts: boolean[] = []
  await using place = await open(
    async (_task, control) => {
      for (const ms of [99_999, 1]) {
        vi.advanceTimersByTime(ms)
        aborts.push(control.signal.aborted)
      }
      throw await aborted(control)
    },
    { timeoutSeconds: 100 },
  )
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await place.run().finally(() => vi.useRealTimers())
  expect(aborts).toEqual([false, true])
  expect(await place.found()).toMatchObject({ status: 'failed', error: { code: 'job.timeout' } })
})

test('what is no transcript is not stored, and the job says so', async () => {
  await using place = await open(async () => ({ ...TRANSCRIPT, duration: Number.NaN }))
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'failed', error: { code: 'engine.bad_result' } })
  expect(await place.result()).toBeUndefined()
})
