import { describe, expect, test } from 'vitest'
import { randomOf } from '../../../test/support/random.ts'
import type { Job } from '../job.ts'
import type { JobPage, JobStore, ListOptions } from '../job-store.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { ERROR, claimed, jobIn, running } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import { parseCursor } from './cursor.ts'

/** The page at a cursor that another page gave. */
function at(cursor: string | null): Pick<ListOptions, 'cursor'> {
  const parsed = parseCursor(cursor ?? '')
  if (parsed === undefined) throw new Error(`${cursor} is no cursor`)
  return { cursor: parsed }
}

function idsOf({ jobs }: JobPage): readonly string[] {
  return jobs.map((job) => job.id)
}

async function listed(store: JobStore, options: Partial<ListOptions> = {}): Promise<readonly string[]> {
  return idsOf(await store.list('key-1', { limit: 9, ...options }))
}

async function remove(store: JobStore, id: string): Promise<void> {
  await store.cancel(id)
  expect(await store.remove(id)).toBe(true)
}

/** Lists of jobs: a part of the contract of `JobStore`. */
export function describeList(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: list`, () => {
    test("gives a key's jobs page by page, the newest first, without the urgent ones", async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      const others: string[] = []
      for (let n = 0; n < 5; n++) {
        ids.unshift((await submitted(store)).id)
        others.unshift((await submitted(store, { keyId: 'key-2' })).id)
        await store.submit(newJob({ urgent: true, metadata: { a: 'b' } }))
      }
      const first = await store.list('key-1', { limit: 3 })
      expect(idsOf(first)).toEqual(ids.slice(0, 3))
      expect(first.previous).toBeNull()
      // As clients have always gone on.
      expect(first.next).toBe(ids[2])
      const second = await store.list('key-1', { limit: 3, ...at(first.next) })
      expect([idsOf(second), second.next]).toEqual([ids.slice(3), null])
      expect(idsOf(await store.list('key-2', { limit: 9, ...at(first.next) }))).toEqual(others.slice(3))
      expect(await store.list('key-3', { limit: 9 })).toEqual({ jobs: [], next: null, previous: null })
      expect(await listed(store, { metadata: { a: 'b' } })).toEqual([])
      expect(await store.list(null, { limit: 10 })).toMatchObject({ jobs: { length: 10 }, next: null })
    })

    test('has no next page when the last one is full', async () => {
      await using fixture = await open()
      const { store } = fixture
      for (let n = 0; n < 3; n++) await submitted(store)
      expect((await store.list('key-1', { limit: 3 })).next).toBeNull()
    })

    test('goes back as well, and from an empty page to where it was', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids: string[] = []
      for (let n = 0; n < 5; n++) ids.unshift((await submitted(store)).id)
      for (const order of ['newest', 'oldest'] as const) {
        const expected = order === 'newest' ? ids : ids.toReversed()
        const page = async (cursor: string | null) => store.list('key-1', { limit: 2, order, ...at(cursor) })
        const first = await store.list('key-1', { limit: 2, order })
        const third = await page((await page(first.next)).next)
        expect(idsOf(third)).toEqual(expected.slice(4))
        const second = await page(third.previous)
        expect(idsOf(second)).toEqual(expected.slice(2, 4))
        expect(idsOf(await page(second.next))).toEqual(expected.slice(4))
        const again = await page(second.previous)
        expect([idsOf(again), again.previous, again.next]).toEqual([expected.slice(0, 2), null, expected[1]])
        const empty = await page(expected.at(-1) ?? '')
        expect([idsOf(empty), empty.next]).toEqual([[], null])
        expect(idsOf(await page(empty.previous))).toEqual(expected.slice(3))
        const emptyBefore = await page(`~${expected[0]}`)
        expect([idsOf(emptyBefore), emptyBefore.previous]).toEqual([[], null])
        expect(idsOf(await page(emptyBefore.next))).toEqual(expected.slice(0, 2))
      }
    })

    test('goes on behind a job that is not there any more', async () => {
      await using fixture = await open()
      const { store } = fixture
      const older = [await submitted(store), await submitted(store)].map((job) => job.id)
      const { id: gone } = await submitted(store)
      const newer = await submitted(store)
      await remove(store, gone)
      expect(await listed(store, at(gone))).toEqual(older.toReversed())
      expect(await listed(store, at(`~${gone}`))).toEqual([newer.id])
      expect(await listed(store, at('00000000-0000-7000-8000-000000000000'))).toEqual([])
    })

    test('can be of one status, or of several', async () => {
      await using fixture = await open()
      const { store } = fixture
      const failed = await jobIn(store, 'failed')
      const pending = await submitted(store)
      const cancelled = await submitted(store)
      await store.cancel(cancelled.id)
      expect(await listed(store, { statuses: ['failed'] })).toEqual([failed.jobId])
      expect(await listed(store, { statuses: ['failed', 'cancelled'] })).toEqual([cancelled.id, failed.jobId])
      const first = await store.list('key-1', { limit: 1, statuses: ['pending', 'failed'] })
      expect(idsOf(first)).toEqual([pending.id])
      expect(await listed(store, { statuses: ['pending', 'failed'], ...at(first.next) })).toEqual([failed.jobId])
      expect(idsOf(await store.list(null, { limit: 9, statuses: ['failed'] }))).toEqual([failed.jobId])
      // As it is now.
      const { lease } = await claimed(store)
      await store.fail(lease, ERROR)
      expect(await listed(store, { statuses: ['failed'] })).toEqual([pending.id, failed.jobId])
    })

    test('of several statuses has the newest of all first', async () => {
      await using fixture = await open()
      const { store } = fixture
      const jobs = [await submitted(store), await submitted(store), await submitted(store), await submitted(store)]
      for (const { id } of jobs.slice(0, 2)) await store.cancel(id)
      const ids = jobs.map(({ id }) => id)
      expect(await listed(store, { statuses: ['cancelled', 'pending'], limit: 1 })).toEqual([ids[3]])
      expect(await listed(store, { statuses: ['pending', 'cancelled'], limit: 1, order: 'oldest' })).toEqual([ids[0]])
    })

    test('can be by a part of the name, whatever its case, and what looks like a pattern is none', async () => {
      await using fixture = await open()
      const { store } = fixture
      const named = async (given: string): Promise<string> => (await submitted(store, { name: given })).id
      const street = await named('Straße 100%.mp3')
      const path = await named('a_b\\c.wav')
      await submitted(store)
      expect(await listed(store, { text: 'STRASSE' })).toEqual([street])
      expect(await listed(store, { text: '100%' })).toEqual([street])
      expect(await listed(store, { text: 'a_b\\' })).toEqual([path])
      expect(await listed(store, { text: '1%p' })).toEqual([])
      expect(await listed(store, { text: 'a%c' })).toEqual([])
      expect(await listed(store, { text: '.', statuses: ['pending'], limit: 1 })).toEqual([path])
      expect(await listed(store, { text: 'wav', statuses: ['failed'] })).toEqual([])
      expect(idsOf(await store.list(null, { limit: 9, text: 'wav' }))).toEqual([path])
    })

    test('can be by metadata, of which all pairs are to be there', async () => {
      await using fixture = await open()
      const { store } = fixture
      const both = await submitted(store, { metadata: { customer: 'Ä & co', 'case no.': '7' } })
      const one = await submitted(store, { metadata: { customer: 'Ä & co' }, model: 'openai/whisper-tiny' })
      await submitted(store, { metadata: { customer: '7' } })
      const other = await submitted(store, { metadata: { customer: 'Ä & co' }, keyId: 'key-2' })
      expect(await listed(store, { metadata: { customer: 'Ä & co' } })).toEqual([one.id, both.id])
      expect(await listed(store, { metadata: { customer: 'Ä & co', 'case no.': '7' } })).toEqual([both.id])
      const tiny = { metadata: { customer: 'Ä & co' }, models: ['openai/whisper-tiny'] }
      expect(await listed(store, tiny)).toEqual([one.id])
      expect(await listed(store, { ...tiny, statuses: ['failed'] })).toEqual([])
      expect(idsOf(await store.list(null, { limit: 9, metadata: { customer: 'Ä & co' } }))).toEqual([
        other.id,
        one.id,
        both.id,
      ])
      await remove(store, both.id)
      const rows = fixture.database.queries.selectFrom('job_metadata').select('value').where('job_id', '=', both.id)
      expect(await rows.execute()).toEqual([])
    })

    test('can be by the model', async () => {
      await using fixture = await open()
      const { store } = fixture
      const ids = []
      for (const model of ['a/one', 'a/two', 'a/three', 'a/one']) ids.unshift((await submitted(store, { model })).id)
      expect(await listed(store, { models: ['a/one'] })).toEqual([ids[0], ids[3]])
      expect(await listed(store, { models: ['a/one', 'a/two'] })).toEqual([ids[0], ids[2], ids[3]])
      expect(await listed(store, { models: ['a/three'], statuses: ['pending'] })).toEqual([ids[1]])
    })

    test('can be by the time of acceptance, of which the database has the last word', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const jobs: Job[] = []
      for (let n = 0; n < 3; n++) jobs.push(await submitted(store))
      const base = (jobs[0]?.acceptedAt.getTime() ?? 0) / 1000
      // The servers' clocks are minutes apart from the database's.
      const accept = (index: number, seconds: number) =>
        database.queries
          .updateTable('jobs')
          .set({ accepted_at: base + seconds })
          .where('id', '=', jobs[index]?.id ?? '')
          .execute()
      await accept(0, -200)
      await accept(1, 0)
      await accept(2, 200)
      const ids = jobs.map((job) => job.id)
      const then = (seconds: number): Date => new Date((base + seconds) * 1000)
      expect(await listed(store, { from: then(0) })).toEqual([ids[2], ids[1]])
      expect(await listed(store, { to: then(0) })).toEqual([ids[0]])
      expect(await listed(store, { from: then(-300), to: then(100), order: 'oldest' })).toEqual([ids[0], ids[1]])
      expect(await listed(store, { from: then(3600) })).toEqual([])
      await accept(1, 0.0007)
      const shown = (await store.find(ids[1] ?? ''))?.acceptedAt ?? new Date(Number.NaN)
      expect(await listed(store, { from: shown, to: then(100) })).toEqual([ids[1]])
      expect(await listed(store, { from: then(-100), to: shown })).toEqual([])
      expect(await listed(store, { to: new Date(-1e15), from: new Date(8e15) })).toEqual([])
    })

    test.each([1, 2, 3, 4])('skips none and repeats none while others come and go (seed %i)', async (seed) => {
      await using fixture = await open()
      const { store } = fixture
      const random = randomOf(seed)
      const below = (end: number): number => Math.floor(random() * end)
      const jobs = new Map<string, { readonly isListed: boolean; readonly since: number }>()
      let turn = 0
      const come = async (count: number): Promise<void> => {
        const added = Array.from({ length: count }, () => newJob({ name: random() < 0.7 ? 'a talk' : 'a walk' }))
        for (const job of added) jobs.set(job.id, { isListed: job.name === 'a talk', since: turn })
        await Promise.all(added.map((job) => store.submit(job)))
      }
      await come(20)
      const gone = new Set<string>()
      const change = async (): Promise<void> => {
        turn += 1
        await come(below(3))
        const left = [...jobs.keys()].filter((id) => !gone.has(id))
        for (let n = below(4); n > 0; n--) {
          const id = left[below(left.length)]
          if (id === undefined || gone.has(id)) continue
          gone.add(id)
          await remove(store, id)
        }
      }
      for (const order of ['newest', 'oldest'] as const) {
        const start = turn
        const options = { order, text: 'TALK', statuses: ['pending', 'processing'] as const }
        const seen: string[] = []
        let page = await store.list('key-1', { ...options, limit: 1 + below(4) })
        let back: readonly string[] = []
        for (;;) {
          seen.push(...idsOf(page))
          if (page.next === null) break
          await change()
          const here = { ...options, limit: 1 + below(4) }
          page = await store.list('key-1', { ...here, ...at(page.next) })
          if (page.previous !== null) back = idsOf(await store.list('key-1', { ...here, ...at(page.previous) }))
          // What is before a page was seen, or came in before it.
          const before = seen.filter((id) => !gone.has(id))
          expect(back.filter((id) => (jobs.get(id)?.since ?? 0) <= start && !before.includes(id))).toEqual([])
        }
        expect(new Set(seen).size).toBe(seen.length)
        const sorted = seen.toSorted()
        expect(seen).toEqual(order === 'newest' ? sorted.toReversed() : sorted)
        const stayed = [...jobs].filter(([id, job]) => job.isListed && job.since <= start && !gone.has(id))
        expect(stayed.map(([id]) => id).filter((id) => !seen.includes(id))).toEqual([])
        expect(seen.filter((id) => jobs.get(id)?.isListed !== true)).toEqual([])
      }
    })

    test('of a job that runs and ends is the same job', async () => {
      await using fixture = await open()
      const { store } = fixture
      const { lease } = await running(store, { name: 'x' })
      await store.succeed(lease, 'results/1.json')
      expect((await store.list('key-1', { limit: 9 })).jobs).toEqual([await store.find(lease.jobId)])
    })
  })
}
