import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { newJob } from '../new-job.fixture.ts'
import { SqlJobStore } from '../sql/sql-store.ts'
import { openSqlite } from '../sqlite/database.ts'
import { KnownJobs } from './known-jobs.ts'

async function pendingJob() {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-known-'))
  await using database = await openSqlite(folder.path)
  return (await new SqlJobStore(database).submit(newJob())).job
}

/** As on PostgreSQL, where other processes' changes are heard of late. */
function known(): KnownJobs {
  return new KnownJobs({ version: () => 1, isVersionExact: false })
}

test('where changes come late, a job that has not finished is there for those alone who say how old it may be', async () => {
  const job = await pendingJob()
  const jobs = known()
  jobs.get(job.id)
  const read = { generation: jobs.generation, readAtMs: performance.now() - 20 }
  jobs.add(job, read)
  expect(jobs.get(job.id)).toBeUndefined()
  expect(jobs.get(job.id, 10)).toBeUndefined()
  expect(jobs.get(job.id, 60_000)).toBe(job)
  const finished = { ...job, status: 'success' as const }
  jobs.add(finished, read)
  expect(jobs.get(job.id)).toBe(finished)
})

test('what this process has changed since is not there for them either', async () => {
  const job = await pendingJob()
  const jobs = known()
  jobs.get(job.id)
  const read = { generation: jobs.generation, readAtMs: performance.now() }
  jobs.add(job, read)
  jobs.forget(job.id)
  expect(jobs.get(job.id, 60_000)).toBeUndefined()
  jobs.add(job, read)
  expect(jobs.get(job.id, 60_000)).toBeUndefined()
  jobs.add(job, { ...read, generation: jobs.generation })
  jobs.clear()
  expect(jobs.get(job.id, 60_000)).toBeUndefined()
})
