import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { sql } from 'kysely'
import pino from 'pino'
import { expect, test } from 'vitest'
import type { Job } from '../../jobs/job.ts'
import { submitted } from '../../jobs/new-job.fixture.ts'
import { EXPRESS, claimed } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import type { NewJob } from '../../jobs/job-store.ts'
import { FolderPayloadStore } from '../../payloads/folder/folder-store.ts'
import { EngineError } from '../../speech/errors.ts'
import { JobRun } from './job-run.ts'
import { SpeedMeter } from './speed-meter.ts'
import type { Transcriber, TranscriptionTask } from '../transcriber.ts'

/** A transcriber that takes each recording for so long, as the engine here does or as another server. */
function transcriberOf(seconds: number, decodesHere: boolean) {
  const tasks: TranscriptionTask[] = []
  const transcriber: Transcriber = {
    decodesHere,
    transcribe: async (task, { onProgress }) => {
      tasks.push(task)
      const { maxAudioSeconds } = task
      if (maxAudioSeconds !== null && seconds > maxAudioSeconds) throw new EngineError('audio.too_long', 'Too long.')
      if (decodesHere) onProgress?.({ phase: 'decoding', seconds, totalSeconds: seconds })
      return { text: '', language: 'en', duration: seconds, segments: [] }
    },
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
  return { transcriber, tasks }
}

/** A store with one job, and a worker's one run of it after the other. */
async function open(given: Partial<NewJob>, seconds: number, decodesHere = true) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-length-')))
  const database = stack.use(await openSqlite(folder.path))
  const jobs = new SqlJobStore(database)
  const payloads = await FolderPayloadStore.open(join(folder.path, 'payloads'))
  const payloadKey = 'uploads/8a1d1ee5-0a6c-4cbe-8d3b-0c7a4e9b1f00.wav'
  await payloads.write(payloadKey, Readable.from([Buffer.from('audio')]))
  const { id } = await submitted(jobs, { ...given, payloadKey })
  const { transcriber, tasks } = transcriberOf(seconds, decodesHere)
  const logger = pino({ level: 'silent' })
  const limits = { failures: 3, crashes: 5 }
  const speed = new SpeedMeter()
  const options = { jobs, payloads, transcriber, logger, leaseMs: 60_000, limits, maxRunMs: null, speed }
  const opened = stack.move()
  return {
    ...{ jobs, database, tasks },
    run: async () =>
      await new JobRun(options, await claimed(jobs), { engine: undefined }).run(new AbortController().signal),
    find: async () => (await jobs.find(id)) as Job,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

test('a job that is longer than its header says leaves the express lane before its first window, and has failed at nothing', async () => {
  await using place = await open({ audioSeconds: 1 }, 600)
  await place.run()
  expect(place.tasks).toMatchObject([{ isExpress: true, maxAudioSeconds: 60 }])
  const given = await place.find()
  expect(given).toMatchObject({ status: 'pending', failures: 0, crashes: 0, error: null })
  expect(given.audioSeconds).toBeGreaterThan(60)
  expect(await place.jobs.claim(EXPRESS)).toEqual([])
  await place.run()
  expect(place.tasks[1]).toMatchObject({ isExpress: false, maxAudioSeconds: null })
  expect(await place.find()).toMatchObject({ status: 'success', audioSeconds: 600, doneSeconds: 600 })
})

test('the limit of an ordinary job is its own, and what is longer than that has failed', async () => {
  await using place = await open({ audioSeconds: 61, maxAudioSeconds: 500 }, 600)
  await place.run()
  expect(await place.find()).toMatchObject({ status: 'failed', error: { code: 'audio.too_long' } })
})

test('a job that is longer than its header says, and may be, leaves the express lane too', async () => {
  await using place = await open({ audioSeconds: 1, maxAudioSeconds: 500 }, 400)
  await place.run()
  expect(place.tasks).toMatchObject([{ maxAudioSeconds: 60 }])
  await place.run()
  expect(place.tasks[1]).toMatchObject({ isExpress: false, maxAudioSeconds: 500 })
  expect(await place.find()).toMatchObject({ status: 'success', audioSeconds: 400 })
})

test('a job that may not be longer than short ones are has failed when it is', async () => {
  await using place = await open({ audioSeconds: 60, maxAudioSeconds: 60, urgent: true }, 61)
  await place.run()
  expect(await place.find()).toMatchObject({ status: 'failed', error: { code: 'audio.too_long' } })
})

test('what another server says of the length counts when it is done', async () => {
  await using place = await open({ audioSeconds: 1 }, 600, false)
  await place.run()
  expect(place.tasks).toMatchObject([{ maxAudioSeconds: null }])
  expect(await place.find()).toMatchObject({ status: 'success', audioSeconds: 600 })
})

test('a server that does not say how long a recording is leaves the length as it was', async () => {
  await using place = await open({ audioSeconds: 12 }, 0, false)
  await place.run()
  expect(await place.find()).toMatchObject({ status: 'success', audioSeconds: 12 })
})

test('a job whose stored input is damaged fails by its own run, at once', async () => {
  await using place = await open({}, 10)
  await sql`update jobs set input = '{"language": '`.execute(place.database.queries)
  expect((await place.jobs.list(null, { limit: 10 })).jobs.map(({ input }) => input)).toEqual([null])
  await place.run()
  expect(await place.find()).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'job.unreadable' } })
  expect(place.tasks).toEqual([])
})
