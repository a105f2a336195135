import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { openBackend } from './backend.ts'
import { loadConfig } from './config/config.ts'
import { startHousekeeping } from './housekeeping.ts'
import { submitted } from './jobs/new-job.fixture.ts'

test('rounds remove jobs that are due, and sum up what they took', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-housekeeping-')))
  const config = loadConfig({ SOTTO_DATA_DIR: folder.path }, {})
  const logger = pino({ level: 'silent' })
  const { signal } = new AbortController()
  const backend = stack.use(await openBackend(config, { temporaryFolder: folder.path, logger, signal }))
  const { database, jobs } = backend
  const job = await submitted(jobs, { removeAfterSeconds: 0.001 })
  await jobs.cancel(job.id)
  startHousekeeping(backend, { ...config, jobs: { ...config.jobs, leaseMs: 60 } }, logger, stack)
  await expect.poll(() => jobs.find(job.id)).toBeUndefined()
  const sums = database.queries.selectFrom('usage_days').select(['outcome', 'jobs'])
  await expect.poll(() => sums.execute()).toEqual([{ outcome: 'cancelled', jobs: 1 }])
})
