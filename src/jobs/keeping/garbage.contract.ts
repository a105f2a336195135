import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { Garbage } from './garbage.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { jobIn } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { JobStore } from '../job-store.ts'

const GONE = { code: 'recording.gone', retryable: false }

/** How payloads are removed that nobody needs, and none that somebody does: a part of the contract of `JobStore`. */
export function describeGarbage(name: string, open: () => Promise<JobStoreFixture>): void {
  /** A recording whose only job is gone. */
  const forsaken = async (store: JobStore): Promise<string> => {
    const { jobId } = await jobIn(store, 'failed')
    const payloadKey = (await store.find(jobId))?.payloadKey ?? ''
    await store.remove(jobId)
    return payloadKey
  }

  describe(`${name}: garbage`, () => {
    test('is taken by one at a time', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      const garbage = new Garbage(database)
      expect((await garbage.take(9)).keys).toContain(payloadKey)
      expect((await garbage.take(9)).keys).toEqual([])
      await garbage.untake([payloadKey])
      expect((await garbage.take(9)).keys).toEqual([payloadKey])
    })

    test('that a process was removing when it was killed is taken by the next one, and still refused to submits', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      const garbage = new Garbage(database)
      await garbage.take(9)
      expect((await garbage.take(9)).keys).toEqual([])
      await store.recover()
      await expect(store.submit(newJob({ payloadKey }))).rejects.toMatchObject(GONE)
      expect((await garbage.take(9)).keys).toContain(payloadKey)
      await garbage.failed([payloadKey])
      expect((await garbage.take(9)).keys).toEqual([])
      await store.recover()
      expect((await garbage.take(9)).keys).toContain(payloadKey)
    })

    test('is not kept by a mark of a clock that was set back since', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      const garbage = new Garbage(database)
      await garbage.take(9)
      const later = sql<number>`${database.dialect.now} + 86400`
      await database.queries.updateTable('garbage').set({ claimed_until: later, due_at: later }).execute()
      expect((await garbage.take(9)).keys).toContain(payloadKey)
    })

    test('a submit that comes first keeps its recording', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      await submitted(store, { payloadKey })
      expect((await new Garbage(database).take(9)).keys).not.toContain(payloadKey)
    })

    test('a submit that comes while the recording is being removed is refused, and nobody else with it', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      await new Garbage(database).take(9)
      const together = [newJob(), newJob({ payloadKey }), newJob()].map((job) => store.submit(job))
      const outcomes = await Promise.allSettled(together)
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
      await expect(store.submit(newJob({ payloadKey }))).rejects.toMatchObject(GONE)
      expect(await store.usesPayload(payloadKey)).toBe(false)
    })

    test('a submit that saw the recording before it was removed is refused as well', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      const garbage = new Garbage(database)
      await garbage.removed((await garbage.take(9)).keys)
      await garbage.forgetOld()
      await expect(store.submit(newJob({ payloadKey }))).rejects.toMatchObject(GONE)
    })

    test('a recording that was uploaded again can be submitted, but not before its removal is over', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      const garbage = new Garbage(database)
      const { keys } = await garbage.take(9)
      expect(await store.forgetRemoval(payloadKey, () => Promise.resolve(true))).toBe(false)
      await garbage.removed(keys)
      expect(await store.forgetRemoval(payloadKey, () => Promise.resolve(false))).toBe(false)
      await expect(store.submit(newJob({ payloadKey }))).rejects.toMatchObject(GONE)
      expect(await store.forgetRemoval(payloadKey, () => Promise.resolve(true))).toBe(true)
      const { id } = await submitted(store, { payloadKey })
      await store.cancel(id)
      await store.remove(id)
      expect((await garbage.take(9)).keys).toContain(payloadKey)
    })

    test('an earlier request with the same idempotency key is answered as ever', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const payloadKey = await forsaken(store)
      const idempotency = { key: 'order-1', requestHash: 'abc' }
      const { job } = await store.submit(newJob({ idempotency }))
      await new Garbage(database).take(9)
      const again = await store.submit(newJob({ payloadKey, idempotency }))
      expect(again).toEqual({ job, isNew: false })
    })

    test('what can’t be removed is tried again later, and keeps nothing else', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const locked = await forsaken(store)
      const garbage = new Garbage(database)
      const { keys } = await garbage.take(9)
      await garbage.failed([locked])
      await garbage.removed(keys.filter((key) => key !== locked))
      const next = await forsaken(store)
      const later = await garbage.take(9)
      expect(later.keys).toContain(next)
      expect(later.keys).not.toContain(locked)
      // A removal that failed may have happened all the same.
      await expect(store.submit(newJob({ payloadKey: locked }))).rejects.toMatchObject(GONE)
      await database.queries.updateTable('garbage').set({ due_at: 0 }).where('payload_key', '=', locked).execute()
      expect((await garbage.take(9)).keys).toEqual([locked])
      await garbage.failed([locked])
      const row = await database.queries.selectFrom('garbage').selectAll().where('payload_key', '=', locked).execute()
      expect(row).toMatchObject([{ failures: 2 }])
    })

    test('pauses between tries grow, but not without end', async () => {
      await using fixture = await open()
      const { database } = fixture
      const garbage = new Garbage(database)
      await garbage.add(['uploads/a.mp3', 'uploads/b.mp3'])
      await database.queries
        .updateTable('garbage')
        .set({ failures: 1000 })
        .where('payload_key', '=', 'uploads/b.mp3')
        .execute()
      await garbage.failed(['uploads/a.mp3', 'uploads/b.mp3'])
      const { now } = database.dialect
      const { rows } = await sql<{ pause: number }>`
        select due_at - ${now} as pause from garbage order by payload_key
      `.execute(database.queries)
      expect(rows[0]?.pause).toBeLessThanOrEqual(15)
      expect(Math.round((rows[1]?.pause ?? 0) / 60)).toBe(360)
    })

    test('many takers at once take each entry once', async () => {
      await using fixture = await open()
      const { database } = fixture
      const all = Array.from({ length: 60 }, (_, n) => `uploads/${n}.mp3`)
      await new Garbage(database).add(all)
      const taken: string[] = []
      const take = async (): Promise<void> => {
        for (let keys: readonly string[] = ['']; keys.length > 0; taken.push(...keys)) {
          keys = (await new Garbage(database).take(7)).keys
        }
      }
      await Promise.all([take(), take(), take(), take()])
      expect(taken.toSorted()).toEqual(all.toSorted())
    })

    test('submits and takers of the same recordings: none is removed beneath a job', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const keys: string[] = []
      for (let n = 0; n < 40; n++) keys.push(await forsaken(store))
      const garbage = new Garbage(database)
      const removed: string[] = []
      const other = await fixture.connect()
      const submits = keys.map((payloadKey, n) => (n % 2 === 0 ? store : other).submit(newJob({ payloadKey })))
      const takes = Array.from({ length: 20 }, async () => removed.push(...(await garbage.take(5)).keys))
      const outcomes = await Promise.allSettled(submits)
      await Promise.all(takes)
      for (const [n, { status }] of outcomes.entries()) {
        expect([status, removed.includes(keys[n] ?? '')]).not.toEqual(['fulfilled', true])
      }
    })
  })
}
