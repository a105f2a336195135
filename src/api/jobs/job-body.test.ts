import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { expect, test } from 'vitest'
import { ERROR, claimed, running } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { jobSummary } from './job-body.ts'
import { JobSchema } from '../schemas.ts'

test('a job that waits to be tried again says why, in the form that is documented, and only as long as it waits', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-body-'))
  await using database = await openSqlite(folder.path)
  const jobs = new SqlJobStore(database)
  const { job, lease } = await running(jobs)
  const summary = async () => {
    const found = await jobs.find(job.id)
    if (found === undefined) throw new Error('the job is gone')
    return jobSummary(found, { settings: { retentionMs: null } })
  }
  await jobs.defer(lease, ERROR, { limitMs: 1000, pauseMs: 0 })
  const waiting = await summary()
  expect(waiting).toMatchObject({ status: 'pending', waitingFor: ERROR })
  expect(waiting).not.toHaveProperty('error')
  expect(Check(Type.Object({ waitingFor: JobSchema.properties.waitingFor }), waiting)).toBe(true)
  const again = await claimed(jobs)
  expect(await summary()).not.toHaveProperty('waitingFor')
  await jobs.release(again.lease)
  expect(await summary()).not.toHaveProperty('waitingFor')
})
