import type { KyselyPlugin } from 'kysely'
import { describe, expect, test } from 'vitest'
import { EVERY_TIER, newJob, submitted } from '../new-job.fixture.ts'
import { MAX_URGENT_IN_A_ROW } from './queue-order.ts'
import { ERROR, LIMITS, running } from '../running-job.fixture.ts'
import { SqlJobStore } from '../sql/sql-store.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import type { ClaimOptions, JobStore, NewJob, Places } from '../job-store.ts'

const CLAIMERS = 8

const limitedTo = (runningJobs: number) => ({ limits: { queuedJobs: null, runningJobs, audioSecondsPerDay: null } })
const ordinary = (places: number): Places => ({ ordinary: places, express: 0 })

/** Submits, in order. */
async function queued(store: JobStore, jobs: readonly Partial<NewJob>[]): Promise<readonly string[]> {
  const ids: string[] = []
  for (const job of jobs) ids.push((await submitted(store, job)).id)
  return ids
}

async function batch(store: JobStore, options: Partial<ClaimOptions>): Promise<readonly string[]> {
  return (await store.claim({ ...EVERY_TIER, ...options })).map(({ job }) => job.id)
}

async function claimedKeys(store: JobStore, places = 9): Promise<readonly string[]> {
  const claims = await store.claim({ ...EVERY_TIER, atMost: ordinary(places) })
  return claims.map(({ job }) => job.keyId).toSorted()
}

/** @param runningJobs 0: any number, whatever the server's limit is */
async function giveLimit({ database }: JobStoreFixture, keyId: string, runningJobs: number): Promise<void> {
  const key = { id: keyId, name: keyId, prefix: '', hash: keyId, running_jobs: runningJobs }
  await database.queries.insertInto('api_keys').values(key).execute()
}

/** A store on the same database, whose first claim another one overtakes: between what it sees and what it takes. */
function overtaken({ database }: JobStoreFixture, overtake: () => Promise<unknown>): JobStore {
  let isOvertaken = false
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      if (isOvertaken || !result.rows.some((row) => 'is_stale' in row)) return result
      isOvertaken = true
      await overtake()
      return result
    },
  }
  return new SqlJobStore({ ...database, queries: database.queries.withPlugin(plugin) })
}

/** Several jobs in one claim, and several claims at once: a part of the contract of `JobStore`. */
export function describeClaim(name: string, open: () => Promise<JobStoreFixture>): void {
  describe(`${name}: claims of several jobs`, () => {
    test('take the first of all queues, in their order', async () => {
      await using fixture = await open()
      const { store } = fixture
      const kinds = ['a', 'b', 'c'].flatMap((model) => [
        { model, audioSeconds: 10 },
        { model, audioSeconds: 600, serviceTier: 'gpuflex' as const },
      ])
      await queued(store, [...kinds, ...kinds, { model: 'a', urgent: true }])
      const expected = await fixture.database.queries
        .selectFrom('jobs')
        .select('id')
        .orderBy('rank')
        .orderBy('sequence')
        .execute()
      const ids = expected.map(({ id }) => id)
      expect(await batch(store, { atMost: ordinary(5) })).toEqual(ids.slice(0, 5))
      expect(await batch(store, { atMost: ordinary(99) })).toEqual(ids.slice(5))
    })

    test('give each job a lease that its verbs take, and the tier that serves', async () => {
      await using fixture = await open()
      const { store } = fixture
      await queued(store, [{}, { serviceTier: 'gpuflex' }])
      const claims = await store.claim({ ...EVERY_TIER, served: 'gpuflex', atMost: ordinary(2) })
      expect(claims).toHaveLength(2)
      for (const { job, lease } of claims) {
        expect(job).toMatchObject({ status: 'processing', servedTier: 'gpuflex', attempt: 1 })
        expect(await store.succeed(lease, `results/${job.id}.json`)).toBe(true)
      }
    })

    test('take of each model as many as there are places for, and pass over those of the others', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [a, , b, , second] = await queued(store, [
        { model: 'a' },
        { model: 'a' },
        { model: 'b' },
        { model: 'c' },
        { model: 'b' },
      ])
      const places = new Map([
        ['a', ordinary(1)],
        ['b', ordinary(3)],
      ])
      expect(await batch(store, { places, atMost: ordinary(9) })).toEqual([a, b, second])
    })

    test('give short jobs the express places beyond the ordinary ones', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [short, other, more, , long, another] = await queued(store, [
        { audioSeconds: 10, keyId: '1' },
        { audioSeconds: 10, keyId: '2' },
        { audioSeconds: 10, keyId: '3' },
        { audioSeconds: 10, keyId: '4' },
        { audioSeconds: 600, keyId: '5' },
        { audioSeconds: 600, keyId: '6' },
      ])
      const onePlace = { ordinary: 1, express: 1 }
      expect(await batch(store, { atMost: onePlace })).toEqual([short, other])
      const model = 'sotto/whisper-demo'
      const places = new Map([[model, { ordinary: 0, express: 1 }]])
      expect(await batch(store, { places, atMost: ordinary(9) })).toEqual([more])
      expect(
        await batch(store, { places: new Map([[model, ordinary(9)]]), atMost: { ordinary: 0, express: 0 } }),
      ).toEqual([])
      expect((await batch(store, { atMost: ordinary(9) })).slice(1)).toEqual([long, another])
    })

    test('let another job pass when so many urgent ones were taken in a row', async () => {
      await using fixture = await open()
      const { store } = fixture
      await queued(
        store,
        Array.from({ length: 50 }, () => ({ urgent: true })),
      )
      const others = await queued(store, [{}, {}])
      const first = await store.claim({ ...EVERY_TIER, atMost: ordinary(6), urgentInARow: 1 })
      expect(first.map(({ job }) => job.urgent)).toEqual([true, true, false, true, true, true])
      const second = await store.claim({ ...EVERY_TIER, atMost: ordinary(44), urgentInARow: MAX_URGENT_IN_A_ROW })
      expect(second.findIndex(({ job }) => job.id === others[1])).toBe(0)
      expect(second).toHaveLength(44)
    })

    test('one job whose input is damaged spoils none of the others', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const [damaged = ''] = await queued(store, [{}, {}, {}])
      await database.queries.updateTable('jobs').set({ input: '{"language":' }).where('id', '=', damaged).execute()
      const claims = await store.claim({ ...EVERY_TIER, atMost: ordinary(3) })
      expect(claims.map(({ job }) => job.input === null)).toEqual([true, false, false])
    })

    test('take what waited for its pause to end, in its order', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { job, lease } = await running(store)
      const [later] = await queued(store, [{}])
      await store.retry(lease, 'error', ERROR, LIMITS, 3_600_000)
      await database.queries.updateTable('jobs').set({ not_before: 1 }).where('id', '=', job.id).execute()
      expect(await batch(store, { atMost: ordinary(9) })).toEqual([job.id, later])
    })

    test('fail those that had to start by now, and say so', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const ids = await queued(store, [{}, {}, {}])
      await database.queries
        .updateTable('jobs')
        .set({ start_by: 1 })
        .where('id', '<>', ids[2] ?? '')
        .execute()
      const finished: string[] = []
      for (const id of ids) store.onJob('finished', id, () => finished.push(id))
      expect(await batch(store, { atMost: ordinary(9) })).toEqual(ids.slice(2))
      expect(finished.toSorted()).toEqual(ids.slice(0, 2).toSorted())
      expect(await store.find(ids[0] ?? '')).toMatchObject({ status: 'failed', error: { code: 'job.not_started' } })
    })
  })

  describe(`${name}: the limit of a key's running jobs`, () => {
    test('holds within one claim, and leaves the places to others', async () => {
      await using fixture = await open()
      const store = await fixture.connect(limitedTo(2))
      const [a, another, , , b] = await queued(store, [
        { keyId: 'a' },
        { keyId: 'a' },
        { keyId: 'a' },
        { keyId: 'a' },
        { keyId: 'b' },
      ])
      expect(new Set(await batch(store, { atMost: ordinary(9) }))).toEqual(new Set([a, another, b]))
    })

    test('counts what runs already', async () => {
      await using fixture = await open()
      const store = await fixture.connect(limitedTo(3))
      await running(store, { keyId: 'a' })
      await queued(
        store,
        Array.from({ length: 5 }, () => ({ keyId: 'a' })),
      )
      expect(await batch(store, { atMost: ordinary(9) })).toHaveLength(2)
    })

    test('keeps the order of the others, within one claim too', async () => {
      await using fixture = await open()
      const store = await fixture.connect(limitedTo(1))
      const many = Array.from({ length: 50 }, () => ({ keyId: 'a', audioSeconds: 61 }))
      const [first] = await queued(store, many)
      const [next] = await queued(store, [
        { keyId: 'c', audioSeconds: 10_000 },
        { keyId: 'd', audioSeconds: 20_000, model: 'another' },
      ])
      expect(await batch(store, { atMost: ordinary(2) })).toEqual([first, next])
    })

    test('keeps nobody else, however many jobs of a key that has reached it are in front', async () => {
      await using fixture = await open()
      const store = await fixture.connect(limitedTo(1))
      await running(store, { keyId: 'a' })
      const many = Array.from({ length: 100 }, () => newJob({ keyId: 'a', audioSeconds: 61 }))
      await Promise.all(many.map((job) => store.submit(job)))
      const others = ['b', 'c', 'd', 'e'].map((keyId, index) => ({ keyId, audioSeconds: 10_000 + index }))
      const [b, c, d] = await queued(store, [...others, ...others])
      expect(await batch(store, { atMost: ordinary(1) })).toEqual([b])
      expect(await batch(store, { atMost: ordinary(2) })).toEqual([c, d])
      expect(await batch(store, { atMost: ordinary(9) })).toHaveLength(1)
      expect(await batch(store, { atMost: ordinary(9) })).toEqual([])
      expect(await store.waiting(EVERY_TIER.asked)).toEqual([])
    })

    test('is never passed by claims at the same time', async () => {
      await using fixture = await open()
      const stores = await Promise.all(Array.from({ length: CLAIMERS }, () => fixture.connect(limitedTo(2))))
      for (let round = 0; round < 10; round++) {
        const jobs = ['a', 'b'].flatMap((keyId) =>
          Array.from({ length: 8 }, () => ({ keyId, model: `model-${round % 3}` })),
        )
        await queued(fixture.store, jobs)
        const claims = (
          await Promise.all(stores.map((store) => store.claim({ ...EVERY_TIER, atMost: ordinary(2) })))
        ).flat()
        expect(claims.map(({ job }) => job.keyId).toSorted()).toEqual(['a', 'a', 'b', 'b'])
        for (const { lease } of claims) await fixture.store.fail(lease, ERROR)
      }
    })
  })

  describe(`${name}: a limit of running jobs that is a key’s own`, () => {
    test('holds within a claim and counts what runs, and leaves the others alone', async () => {
      await using fixture = await open()
      const { store } = fixture
      await giveLimit(fixture, 'a', 2)
      await running(store, { keyId: 'a' })
      await queued(
        store,
        ['a', 'b'].flatMap((keyId) => Array.from({ length: 4 }, () => ({ keyId }))),
      )
      expect((await claimedKeys(store)).join('')).toBe('abbbb')
      expect(await store.waiting(EVERY_TIER.asked)).toEqual([])
    })

    test('is in the place of the server’s, be it more, less or none', async () => {
      await using fixture = await open()
      const store = await fixture.connect(limitedTo(2))
      await giveLimit(fixture, 'less', 1)
      await giveLimit(fixture, 'more', 3)
      await giveLimit(fixture, 'none', 0)
      const keys = ['less', 'more', 'none', 'usual']
      await queued(
        store,
        keys.flatMap((keyId) => Array.from({ length: 4 }, () => ({ keyId }))),
      )
      const claimed = await claimedKeys(store, 20)
      expect(keys.map((key) => claimed.filter((one) => one === key).length)).toEqual([1, 3, 4, 2])
    })

    test('keeps nobody else, however many jobs of that key are in front', async () => {
      await using fixture = await open()
      const { store } = fixture
      await giveLimit(fixture, 'a', 1)
      await running(store, { keyId: 'a' })
      await Promise.all(Array.from({ length: 100 }, () => store.submit(newJob({ keyId: 'a', audioSeconds: 61 }))))
      const others = ['b', 'c', 'd'].map((keyId, index) => ({ keyId, audioSeconds: 10_000 + index }))
      const [b, c, d] = await queued(store, others)
      expect(await batch(store, { atMost: ordinary(1) })).toEqual([b])
      expect(await store.waiting(EVERY_TIER.asked)).toHaveLength(1)
      expect(await batch(store, { atMost: ordinary(9) })).toEqual([c, d])
    })

    test('holds from the next claim on, and no longer than it is there', async () => {
      await using fixture = await open()
      const other = await fixture.connect()
      await queued(
        fixture.store,
        Array.from({ length: 9 }, () => ({ keyId: 'a' })),
      )
      expect(await claimedKeys(other, 1)).toHaveLength(1)
      await giveLimit(fixture, 'a', 3)
      expect(await claimedKeys(other)).toHaveLength(2)
      expect(await claimedKeys(other)).toEqual([])
      await fixture.database.queries.deleteFrom('api_keys').execute()
      expect(await claimedKeys(other)).toHaveLength(6)
    })

    test('is never passed by claims at the same time, whether they knew of it or not', async () => {
      await using fixture = await open()
      const connect = () => Promise.all(Array.from({ length: CLAIMERS / 2 }, () => fixture.connect()))
      const knowing = await connect()
      await giveLimit(fixture, 'a', 2)
      await Promise.all(knowing.map((store) => store.waiting(EVERY_TIER.asked)))
      for (let round = 0; round < 5; round++) {
        await queued(
          fixture.store,
          ['a', 'b'].flatMap((keyId) => Array.from({ length: 8 }, () => ({ keyId }))),
        )
        const stores = [...knowing, ...(await connect())]
        const claims = (
          await Promise.all(stores.map((store) => store.claim({ ...EVERY_TIER, atMost: ordinary(2) })))
        ).flat()
        expect(claims.filter(({ job }) => job.keyId === 'a')).toHaveLength(2)
        for (const { lease } of claims) await fixture.store.fail(lease, ERROR)
      }
    })
  })

  describe(`${name}: claims at the same time`, () => {
    test.each([
      ['of one model', (index: number) => ({ keyId: `key-${index}` })],
      ['of as many models', (index: number) => ({ model: `model-${index}` })],
    ])('get a job each, as there are: %s', async (_, jobOf) => {
      await using fixture = await open()
      const stores = await Promise.all(Array.from({ length: CLAIMERS }, () => fixture.connect()))
      for (let round = 0; round < 20; round++) {
        const ids = await queued(
          fixture.store,
          Array.from({ length: CLAIMERS }, (__, index) => jobOf(index)),
        )
        const claims = await Promise.all(stores.map((store) => store.claim(EVERY_TIER)))
        expect(claims.map(({ length }) => length)).toEqual(stores.map(() => 1))
        expect(new Set(claims.map(([claim]) => claim?.job.id))).toEqual(new Set(ids))
      }
    })

    test.each([
      ['the next one', 1, 1, [1]],
      ['the next ones, as many as there are places for', 1, 2, [1, 2]],
      ['what is behind all that it has seen', 10, 1, [10]],
      ['what is left of more', 11, 3, [11]],
      ['nothing when there is nothing left', 12, 3, []],
    ])('that are overtaken take %s', async (_what, overtakenBy, places, expected) => {
      await using fixture = await open()
      const ids = await queued(
        fixture.store,
        Array.from({ length: 12 }, () => ({})),
      )
      const other = await fixture.connect()
      const store = overtaken(fixture, async () => {
        expect(await batch(other, { atMost: ordinary(overtakenBy) })).toHaveLength(overtakenBy)
      })
      expect(await batch(store, { atMost: ordinary(places) })).toEqual(expected.map((index) => ids[index]))
    })

    test('that are overtaken have what was let go meanwhile', async () => {
      await using fixture = await open()
      const [first, second] = await queued(fixture.store, [{}, {}])
      const other = await fixture.connect()
      const store = overtaken(fixture, async () => {
        const [claim] = await other.claim(EVERY_TIER)
        if (claim !== undefined) await other.release(claim.lease)
      })
      expect(await batch(store, { atMost: ordinary(2) })).toEqual([first, second])
    })

    test('that are overtaken at an urgent job give the next place to whose turn it is', async () => {
      await using fixture = await open()
      await queued(fixture.store, [{ urgent: true }])
      const [other] = await queued(fixture.store, [{}])
      const [, second] = await queued(fixture.store, [{ urgent: true }, { urgent: true }])
      const faster = await fixture.connect()
      const store = overtaken(fixture, () => faster.claim({ ...EVERY_TIER, atMost: ordinary(2) }))
      const urgentInARow = MAX_URGENT_IN_A_ROW - 1
      expect(await batch(store, { atMost: ordinary(2), urgentInARow })).toEqual([other, second])
    })

    test('share what there is, none twice', async () => {
      await using fixture = await open()
      const stores = await Promise.all(Array.from({ length: CLAIMERS }, () => fixture.connect()))
      const ids = await queued(
        fixture.store,
        Array.from({ length: 45 }, (_, index) => ({ model: `model-${index % 4}`, keyId: `key-${index % 5}` })),
      )
      const claims = await Promise.all(stores.map((store) => batch(store, { atMost: ordinary(6) })))
      expect(claims.flat().toSorted()).toEqual(ids.toSorted())
    })
  })

  describe(`${name}: what waits`, () => {
    test('is told by model, in the order of claiming, with how long it could have run', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      await queued(store, [
        { model: 'a', audioSeconds: 3000 },
        { model: 'b', audioSeconds: 10 },
        { model: 'a', audioSeconds: 2000, priority: 'low' },
        { model: 'c', serviceTier: 'gpuflex' },
      ])
      await database.queries.updateTable('jobs').set({ ready_at: 1 }).where('priority', '=', 'low').execute()
      const models = await store.waiting(['cpuflex'])
      expect(models.map(({ model, isExpress }) => [model, isExpress])).toEqual([
        ['b', true],
        ['a', false],
      ])
      expect(models[0]?.rank).toBeLessThan(models[1]?.rank ?? 0)
      expect(models[0]?.readyForMs).toBeGreaterThanOrEqual(0)
      expect(models[1]?.readyForMs).toBeGreaterThan(1e12)
      expect(await store.waiting([])).toEqual([])
    })

    test('does not count the time before a pause ended, nor what waits for one', async () => {
      await using fixture = await open()
      const { store, database } = fixture
      const { job, lease } = await running(store)
      await database.queries.updateTable('jobs').set({ accepted_at: 1 }).execute()
      await store.retry(lease, 'error', ERROR, LIMITS, 3_600_000)
      expect(await store.waiting(EVERY_TIER.asked)).toEqual([])
      await database.queries
        .updateTable('jobs')
        .set({ not_before: Date.now() / 1000 - 60 })
        .where('id', '=', job.id)
        .execute()
      const [model] = await store.waiting(EVERY_TIER.asked)
      expect(model?.readyForMs).toBeGreaterThan(50_000)
      expect(model?.readyForMs).toBeLessThan(3_600_000)
    })
  })
}
