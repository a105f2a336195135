import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { JobStoreOptions } from './store.ts'
import { reap } from './reaper.ts'
import { resultKeyOf } from './result-key.ts'
import { EVERY_TIER, jobIn, running } from './running-job.fixture.ts'
import { submitted } from './new-job.fixture.ts'
import { SqlJobStore, UNLIMITED } from './sql-store.ts'
import { openSqlite } from './sqlite/database.ts'

const { signal } = new AbortController()

async function open(options: Partial<JobStoreOptions> = {}) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-reaper-')))
  const database = stack.use(await openSqlite(folder.path))
  const jobs = new SqlJobStore(database, { ...UNLIMITED, ...options })
  const removed: string[] = []
  const removePayload = async (key: string): Promise<void> => void removed.push(key)
  const opened = stack.move()
  return {
    jobs,
    removed,
    round: () => reap({ jobs, removePayload, crashes: 2 }, signal),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

describe('a round of the reaper', () => {
  test('takes leases back that have run out', async () => {
    await using fixture = await open()
    const { jobs, round } = fixture
    const { id } = await submitted(jobs)
    for (const crashes of [0, 1]) {
      await round()
      expect(await jobs.find(id)).toMatchObject({ status: 'pending', crashes })
      await jobs.claim({ ...EVERY_TIER, leaseMs: 0 })
    }
    await round()
    expect(await jobs.find(id)).toMatchObject({ status: 'failed', crashes: 2 })
  })

  test('removes finished jobs when their time has come, with their payloads, and nothing else', async () => {
    await using fixture = await open({ retentionMs: 0 })
    const { jobs, round, removed } = fixture
    const tomorrow = new Date(Date.now() + 86_400_000)
    const due = await running(jobs)
    await jobs.succeed(due.lease, 'results/due/1.json')
    const kept = await running(jobs, { expiresAt: tomorrow })
    await jobs.succeed(kept.lease, 'results/kept/1.json')
    const waiting = await submitted(jobs)
    await round()
    expect(await jobs.find(due.job.id)).toBeUndefined()
    const attempt = resultKeyOf(due.job.id, 1)
    expect(removed.toSorted()).toEqual(['results/due/1.json', attempt, due.job.payloadKey].toSorted())
    expect((await jobs.find(kept.job.id))?.status).toBe('success')
    expect((await jobs.find(waiting.id))?.status).toBe('pending')
    expect(await jobs.garbage(9)).toEqual([])
  })

  test('keeps a recording that another job was submitted with, until that is removed too', async () => {
    await using fixture = await open()
    const { jobs, round, removed } = fixture
    const { jobId } = await jobIn(jobs, 'failed')
    const payloadKey = (await jobs.find(jobId))?.payloadKey ?? ''
    const other = await submitted(jobs, { payloadKey })
    await jobs.remove(jobId)
    await round()
    expect(removed).not.toContain(payloadKey)
    await jobs.cancel(other.id)
    await jobs.remove(other.id)
    await round()
    expect(removed).toContain(payloadKey)
  })

  test('goes on with the payloads where a removal failed', async () => {
    await using fixture = await open()
    const { jobs, round, removed } = fixture
    const { jobId } = await jobIn(jobs, 'success')
    await jobs.remove(jobId)
    const broken = reap({ jobs, crashes: 2, removePayload: () => Promise.reject(new Error('no disk')) }, signal)
    await expect(broken).rejects.toThrow('no disk')
    await round()
    expect(removed).toContain('results/1.json')
  })

  test('ends jobs that have waited too long', async () => {
    await using fixture = await open()
    const { jobs, round } = fixture
    const past = new Date(Date.now() - 1000)
    const late = await submitted(jobs, { startBy: past })
    const due = await submitted(jobs, { expiresAt: past })
    await round()
    expect(await jobs.find(late.id)).toMatchObject({ status: 'failed', error: { code: 'job.not_started' } })
    expect(await jobs.find(due.id)).toBeUndefined()
  })

  test('has a job stopped that runs beyond its time', async () => {
    await using fixture = await open()
    const { jobs, round } = fixture
    const { lease } = await running(jobs, { expiresAt: new Date(Date.now() - 1000) })
    await round()
    expect(await jobs.heartbeat(lease, 60_000)).toBe('cancel')
  })
})
