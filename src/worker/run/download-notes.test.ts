import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { running } from '../../jobs/running-job.fixture.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import type { WeightsFetched } from '../../contract/job-event.ts'
import { DownloadNotes } from './download-notes.ts'
import type { Downloaded } from './download-notes.ts'

afterEach(() => void vi.useRealTimers())

async function open() {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-weights-')))
  const database = stack.use(await openSqlite(folder.path))
  const jobs = new SqlJobStore(database)
  const { lease } = await running(jobs)
  const warnings: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) })
  const told = async (): Promise<readonly unknown[]> =>
    (await jobs.events(lease.jobId, 0, 100)).flatMap(({ kind, data }) => (kind === 'weights' ? [data] : []))
  const opened = stack.move()
  return { jobs, lease, logger, warnings, told, database, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

function notesOf({ jobs, lease, logger }: Awaited<ReturnType<typeof open>>): DownloadNotes<WeightsFetched> {
  return new DownloadNotes({ note: (weights) => jobs.noteWeights(lease, weights), logger })
}

test('a download is told of at its beginning and at its end, and not with each of its pieces', async () => {
  await using fixture = await open()
  {
    await using notes = notesOf(fixture)
    for (let received = 100; received <= 1000; received++) notes.add({ receivedBytes: received, totalBytes: 1000 })
  }
  const told = await fixture.told()
  expect(told[0]).toEqual({ receivedBytes: 100, totalBytes: 1000 })
  expect(told.at(-1)).toEqual({ receivedBytes: 1000, totalBytes: 1000 })
  expect(told.length).toBeLessThanOrEqual(20)
})

test('a download is told of when a twentieth more has come and a second has passed, and whenever it is complete', async () => {
  await using fixture = await open()
  vi.useFakeTimers({ toFake: ['performance'] })
  {
    await using notes = notesOf(fixture)
    for (const [passedMs, receivedBytes] of [
      [0, 4],
      [0, 5],
      [5000, 9],
      [0, 11],
      [999, 20],
      [1, 21],
      [0, 100],
      [0, 100],
    ] as const) {
      vi.advanceTimersByTime(passedMs)
      notes.add({ receivedBytes, totalBytes: 100 })
    }
  }
  expect(await fixture.told()).toEqual(
    [5, 11, 21, 100, 100].map((receivedBytes) => ({ receivedBytes, totalBytes: 100 })),
  )
})

test('a database that is away costs the job nothing', async () => {
  await using fixture = await open()
  await fixture.database[Symbol.asyncDispose]()
  {
    await using notes = notesOf(fixture)
    notes.add({ receivedBytes: 1000, totalBytes: 1000 })
  }
  expect(fixture.warnings).toHaveLength(1)
})

test('a download of a size that is not known is told of when it has doubled', async () => {
  await using fixture = await open()
  vi.useFakeTimers({ toFake: ['performance'] })
  const told: number[] = []
  const note = async ({ receivedBytes }: Downloaded): Promise<void> => void told.push(receivedBytes)
  {
    await using notes = new DownloadNotes({ note, logger: fixture.logger })
    for (let receivedBytes = 1; receivedBytes <= 100; receivedBytes++) {
      vi.advanceTimersByTime(1000)
      notes.add({ receivedBytes })
    }
  }
  expect(told).toEqual([1, 2, 4, 8, 16, 32, 64])
})
