import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import type { JobStoreOptions } from '../job-store.ts'
import { JobStoreError } from '../errors.ts'
import { Garbage } from '../keeping/garbage.ts'
import { GarbageCollector } from '../keeping/garbage-collector.ts'
import { Reaper } from './reaper.ts'
import { resultKeyOf } from '../result-key.ts'
import { EVERY_TIER, jobIn, running } from '../running-job.fixture.ts'
import { submitted } from '../new-job.fixture.ts'
import { SqlJobStore, UNLIMITED } from '../sql/sql-store.ts'
import { openSqlite } from '../sqlite/database.ts'

const { signal } = new AbortController()

async function open(options: Partial<JobStoreOptions> = {}) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-reaper-')))
  const database = stack.use(await openSqlite(folder.path))
  const jobs = new SqlJobStore(database, { ...UNLIMITED, ...options })
  const removed: string[] = []
  const broken = new Set<string>()
  const remove = async (key: string): Promise<void> => {
    if (broken.has(key)) throw new Error('it is locked')
    removed.push(key)
  }
  const list = async function* (below: string) {
    yield { key: `${below}/1.json` }
  }
  const reaper = new Reaper(jobs, 2)
  const garbage = new Garbage(database)
  const collector = stack.use(new GarbageCollector({ garbage, payloads: { remove, list }, onError: () => undefined }))
  const opened = stack.move()
  return {
    jobs,
    database,
    removed,
    broken,
    round: async () => {
      await reaper.round(signal)
      await collector.clear()
    },
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

  test('after an outage of the database leaves the heartbeats a round’s time to prolong their leases', async () => {
    await using fixture = await open()
    const { jobs } = fixture
    const { lease } = await running(jobs, {}, 0)
    let isAway = true
    const reaper = new Reaper(
      {
        reap: async (limits) => {
          if (isAway) throw new JobStoreError('store.unavailable', 'away')
          return await jobs.reap(limits)
        },
        expire: (limit) => jobs.expire(limit),
        numberEvents: () => jobs.numberEvents(),
        check: () => jobs.check(),
      },
      1,
    )
    await expect(reaper.round(signal)).rejects.toMatchObject({ code: 'store.unavailable' })
    isAway = false
    await reaper.round(signal)
    expect(await jobs.heartbeat(lease, 0)).toBe('held')
    await reaper.round(signal)
    expect(await jobs.find(lease.jobId)).toMatchObject({ status: 'failed', crashes: 1 })
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

  test('goes on with the other payloads where a removal failed', async () => {
    await using fixture = await open()
    const { jobs, round, removed, broken } = fixture
    const { jobId } = await jobIn(jobs, 'success')
    const payloadKey = (await jobs.find(jobId))?.payloadKey ?? ''
    broken.add(payloadKey)
    await jobs.remove(jobId)
    await round()
    expect(removed.toSorted()).toEqual(['results/1.json', resultKeyOf(jobId, 1)].toSorted())
    const { database } = fixture
    await database.queries.updateTable('garbage').set({ due_at: 0, claimed_until: 0 }).execute()
    broken.clear()
    await round()
    expect(removed).toContain(payloadKey)
  })

  test('one job that can’t be removed does not keep those behind it', async () => {
    const kept: string[] = []
    await using fixture = await open({ retentionMs: 0, onKept: (id) => kept.push(id) })
    const { jobs, round, database } = fixture
    const stuck = await jobIn(jobs, 'failed')
    const others = [await jobIn(jobs, 'failed'), await jobIn(jobs, 'failed')]
    await sql`
      create trigger stuck before delete on jobs when old.id = ${sql.lit(stuck.jobId)}
      begin select raise(abort, 'no'); end
    `.execute(database.queries)
    await round()
    await round()
    expect(kept).toEqual([stuck.jobId])
    for (const { jobId } of others) expect(await jobs.find(jobId)).toBeUndefined()
    expect(await jobs.find(stuck.jobId)).toBeDefined()
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
