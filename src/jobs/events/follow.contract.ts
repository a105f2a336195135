import { describe, expect, test } from 'vitest'
import type { Passage } from '../../contract/transcript.ts'
import type { JobStore, Lease } from '../job-store.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { ERROR, LIMITS, claimed, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import { followJob, followKey } from './follow.ts'
import type { FollowOptions, ToldEvent } from './follow.ts'

const never = new AbortController().signal

/** So many segments from a place on, each with its place as its text. */
function passage(firstSegment: number, count: number, mark = ''): Passage {
  const segments = Array.from({ length: count }, (_, n) => {
    const id = firstSegment + n
    return { id, start: id, end: id + 1, text: ` ${mark}${id}` }
  })
  return { firstSegment, segments }
}

async function keep(store: JobStore, lease: Lease, ordinal: number, told: Passage): Promise<void> {
  expect(await store.keepWindow(lease, ordinal, '{}', 30 * (ordinal + 1), told)).toBe(true)
}

function segmentsOf({ passage: told }: ToldEvent): readonly string[] {
  return (told?.segments ?? []).map(({ text }) => text.trim())
}

/** What is told of a job, in short: kinds, and the text of windows. */
async function followed(
  store: JobStore,
  jobId: string,
  options: Partial<FollowOptions> = {},
): Promise<readonly string[]> {
  const told: string[] = []
  for await (const each of followJob(store, jobId, { signal: never, ...options })) {
    told.push([each.event.kind, ...segmentsOf(each)].join(' '))
  }
  return told
}

/** What whoever takes each passage from its place on has at the end. */
async function textOf(store: JobStore, jobId: string): Promise<readonly string[]> {
  const text: string[] = []
  for await (const { passage: told } of followJob(store, jobId, { signal: never })) {
    if (told !== null) text.splice(told.firstSegment, text.length, ...told.segments.map(({ text: own }) => own.trim()))
  }
  return text
}

/** Of an iterable, the first so many, which then is left. */
async function take(events: AsyncIterable<ToldEvent>, count: number): Promise<readonly ToldEvent[]> {
  const taken: ToldEvent[] = []
  for await (const event of events) {
    taken.push(event)
    if (taken.length === count) break
  }
  return taken
}

/** What is told of a transcript before it is there, and following it: a part of the contract of `JobStore`. */
export function describeFollowing(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: the text of a job`, () => {
    test('is told window by window, and the end that no window told with the end', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await keep(store, lease, 0, passage(0, 2))
      await keep(store, lease, 1, passage(2, 0))
      await keep(store, lease, 2, passage(2, 1))
      expect(await store.succeed(lease, 'results/1.json', passage(0, 5).segments)).toBe(true)
      const windows = ['window 0 1', 'window', 'window 2', 'window 3 4']
      expect(await followed(store, lease.jobId)).toEqual(['accepted', 'claimed', ...windows, 'finished'])
      const [last] = (await store.events(lease.jobId, 0, 100)).filter(({ kind }) => kind === 'window').slice(-1)
      expect(last?.data).toEqual({ windows: 4, doneSeconds: 90, audioSeconds: 90 })
    })

    test('of a transcriber without windows comes with the end, in parts', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await store.succeed(lease, 'results/1.json', passage(0, 250).segments)
      expect((await followed(store, lease.jobId)).map((told) => told.split(' ').length - 1)).toEqual([
        0, 0, 100, 100, 50, 0,
      ])
      expect(await textOf(store, lease.jobId)).toHaveLength(250)
    })

    test('is told no further when windows have told all, nor where there is none', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await keep(store, lease, 0, passage(0, 2))
      await store.succeed(lease, 'results/1.json', passage(0, 2).segments)
      expect(await followed(store, lease.jobId)).toEqual(['accepted', 'claimed', 'window 0 1', 'finished'])
      const silent = await running(store)
      await store.succeed(silent.lease, 'results/2.json', [])
      expect(await followed(store, silent.lease.jobId)).toEqual(['accepted', 'claimed', 'finished'])
    })

    test('that another run tells otherwise replaces what was told from there on', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      for (const n of [0, 1, 2]) await keep(store, lease, n, passage(2 * n, 2, 'old'))
      await store.release(lease)
      const again = await claimed(store)
      await keep(store, again.lease, 1, passage(2, 1, 'new'))
      await store.fail(again.lease, ERROR)
      expect(await textOf(store, lease.jobId)).toEqual(['old0', 'old1', 'new2'])
    })

    test.each([
      ['differs', passage(0, 3, 'new').segments],
      ['is shorter', passage(0, 3, 'old').segments],
      ['is empty', []],
    ])('is that of the result, when that %s', async (_, segments) => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      for (const n of [0, 1]) await keep(store, lease, n, passage(2 * n, 2, 'old'))
      await store.succeed(lease, 'results/1.json', segments)
      expect(await textOf(store, lease.jobId)).toEqual(segments.map(({ text }) => text.trim()))
    })

    test('is that of the result, when a window before could not be kept', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      await store.keepWindow(lease, 0, '{}', 30)
      await keep(store, lease, 1, passage(2, 2))
      await store.succeed(lease, 'results/1.json', passage(0, 4).segments)
      expect(await textOf(store, lease.jobId)).toEqual(['0', '1', '2', '3'])
    })

    test.each(['failed', 'cancelled'])('stays when the job has %s, and goes with it', async (status) => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      await keep(store, lease, 0, passage(0, 2))
      if (status === 'failed') await store.fail(lease, ERROR)
      else await store.cancel(lease.jobId)
      await store.settleCancelled(lease)
      expect(await textOf(store, lease.jobId)).toEqual(['0', '1'])
      await store.remove(lease.jobId)
      expect(await database.queries.selectFrom('job_segments').selectAll().execute()).toEqual([])
    })

    test('is written by nobody who lost the lease', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      const lost = { ...lease, token: 'lost' }
      expect(await store.keepWindow(lost, 0, '{}', 30, passage(0, 1))).toBe(false)
      expect(await store.succeed(lost, 'results/1.json', passage(0, 1).segments)).toBe(false)
      await store.fail(lease, ERROR)
      expect(await followed(store, lease.jobId)).toEqual(['accepted', 'claimed', 'finished'])
    })
  })

  describe(`${name}: following a job`, () => {
    test('tells each event once, as it happens, to all who follow', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      const followers = Array.from({ length: 20 }, () => followed(store, lease.jobId))
      await keep(store, lease, 0, passage(0, 1))
      const late = followed(store, lease.jobId)
      await store.retry(lease, 'error', ERROR, LIMITS)
      const again = await claimed(store)
      await keep(store, again.lease, 1, passage(1, 1))
      await store.succeed(again.lease, 'results/1.json', passage(0, 2).segments)
      const all = ['accepted', 'claimed', 'window 0', 'retried', 'claimed', 'window 1', 'finished']
      for (const told of await Promise.all([...followers, late, followed(store, lease.jobId)]))
        expect(told).toEqual(all)
    })

    test('goes on behind any event, also by way of another store', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      for (const n of [0, 1, 2]) await keep(store, lease, n, passage(n, 1))
      const elsewhere = await fixture.connect()
      const following = followed(elsewhere, lease.jobId, { after: 0 })
      await store.succeed(lease, 'results/1.json', passage(0, 3).segments)
      const all = await following
      expect(all).toHaveLength(6)
      for (const [index, { sequence }] of (await store.events(lease.jobId, 0, 100)).entries()) {
        expect(await followed(elsewhere, lease.jobId, { after: sequence })).toEqual(all.slice(index + 1))
      }
    })

    test('ends at once for a job that is gone, and when it is told to', async () => {
      await using fixture = await open()
      const { store } = fixture
      expect(await followed(store, newJob().id)).toEqual([])
      const { id } = await submitted(store)
      const stop = new AbortController()
      const following = followed(store, id, { signal: stop.signal })
      await expect.poll(() => store.feed.positionOf('key-1')).toBeGreaterThan(0)
      stop.abort()
      expect(await following).toEqual(['accepted'])
      expect(store.feed.positionOf('key-1')).toBe(0)
    })

    test('of one that a version finished that told no events ends', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { lease } = await running(store)
      await store.fail(lease, ERROR)
      await database.queries.deleteFrom('job_events').execute()
      expect(await followed(store, lease.jobId)).toEqual([])
    })

    test('waits for a reader who is slow, and leaves nothing out', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      const following = followJob(store, lease.jobId, { signal: never })
      expect(await take({ [Symbol.asyncIterator]: () => ({ next: () => following.next() }) }, 2)).toHaveLength(2)
      for (let n = 0; n < 30; n++) await keep(store, lease, n, passage(n, 1))
      await store.succeed(lease, 'results/1.json', passage(0, 30).segments)
      const rest = await Array.fromAsync(following)
      expect(rest.flatMap(segmentsOf)).toEqual(Array.from({ length: 30 }, (_, n) => String(n)))
    })
  })

  describe(`${name}: following a key`, () => {
    test('begins now, and tells of all its jobs and no other’s', async () => {
      await using fixture = await open()
      const { store } = fixture
      const before = await submitted(store, { keyId: 'one' })
      const following = take(followKey(store, 'one', { signal: never }), 3)
      await expect.poll(() => store.feed.positionOf('one')).toBeGreaterThan(0)
      await submitted(store, { keyId: 'other' })
      const after = await submitted(store, { keyId: 'one' })
      await store.cancel(before.id)
      await store.cancel(after.id)
      expect((await following).map(({ event }) => [event.jobId, event.kind])).toEqual([
        [after.id, 'accepted'],
        [before.id, 'finished'],
        [after.id, 'finished'],
      ])
    })

    test('brings text only to those who asked for it', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      const after = await store.feed.newest({ keyId: 'key-1' })
      const [plain, full] = [false, true].map((text) =>
        take(followKey(store, 'key-1', { signal: never, after, text }), 1),
      )
      await expect.poll(() => store.feed.positionOf('key-1')).toBe(after)
      await keep(store, lease, 0, passage(0, 1))
      expect((await plain)?.map(segmentsOf)).toEqual([[]])
      expect((await full)?.map(segmentsOf)).toEqual([['0']])
    })

    test('goes on behind an event, with text where that is asked for', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store)
      for (const n of [0, 1]) await keep(store, lease, n, passage(n, 1))
      const [, , first] = await store.events(lease.jobId, 0, 10)
      const after = first?.sequence ?? 0
      const [plain] = await take(followKey(store, 'key-1', { signal: never, after }), 1)
      expect(plain?.passage).toBe(null)
      const [second] = await take(followKey(store, 'key-1', { signal: never, after, text: true }), 1)
      expect(second && segmentsOf(second)).toEqual(['1'])
    })
  })
}
