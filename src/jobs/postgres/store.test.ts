import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import type { JobEvent } from '../../contract/job-event.ts'
import type { Database } from '../sql/dialect.ts'
import { Garbage } from '../keeping/garbage.ts'
import { GONE_ON, JOBS_IN_EVERY_STATE, goOn } from '../older-jobs.fixture.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { Reaper } from '../life/reaper.ts'
import { EVERY_TIER, claimed } from '../running-job.fixture.ts'
import type { JobStoreFixture } from '../running-job.fixture.ts'
import { SqlJobStore, UNLIMITED } from '../sql/sql-store.ts'
import { describeJobStore } from '../job-store.contract.ts'
import type { JobStore, JobStoreOptions } from '../job-store.ts'
import { openPostgres } from './connection.ts'
import { openPostgresDatabase } from './database.ts'
import { migratePostgres } from './migrate.ts'
import { MIGRATIONS } from './migrations.ts'

async function waitsForALock({ queries }: Database): Promise<boolean> {
  const { rows } = await sql`
    select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
  `.execute(queries)
  return rows.length > 0
}

describe.skipIf(!hasPostgres)(`the jobs in PostgreSQL${NEEDS_POSTGRES}`, () => {
  let postgres: Postgres
  let url: string
  let database: Database
  const stack = new AsyncDisposableStack()
  beforeAll(async () => {
    postgres = stack.use(await startPostgres({ fsync: false }))
    url = await postgres.createDatabase()
    database = stack.use(await openPostgresDatabase(url))
  })
  afterAll(() => stack.disposeAsync())

  /** An empty database: a new one for each test would take a minute more. */
  const open = async (): Promise<JobStoreFixture> => {
    await sql`
      truncate jobs, job_windows, job_segments, job_events, job_metadata, audio_usage, usage_entries, usage_days, workers, garbage, uploads,
        api_keys, secrets, write_checks, webhook_secrets, webhook_defaults, webhook_deliveries, webhook_attempts restart identity
    `.execute(database.queries)
    const connect = async (options: Partial<JobStoreOptions> = {}): Promise<JobStore> =>
      new SqlJobStore(database, { ...UNLIMITED, ...options })
    return { store: new SqlJobStore(database), database, connect, [Symbol.asyncDispose]: async () => undefined }
  }
  describeJobStore('PostgreSQL', open)

  test('jobs of the version before are queued, those that it submits during a deploy too', async () => {
    const older = await postgres.createDatabase()
    await migratePostgres(older, MIGRATIONS.slice(0, 1))
    const insert = (id: string) => sql`
      insert into jobs (id, key_id, model, service_tier, input, payload_key, urgent, queue)
      values (${id}, 'key-1', 'sotto/whisper-demo', 'cpuflex', '{}', 'uploads/1.wav', 0, 'cpuflex/ordinary/sotto/whisper-demo')
    `
    {
      await using queries = await openPostgres(older)
      await insert('one').execute(queries)
    }
    await using newer = await openPostgresDatabase(older)
    await insert('two').execute(newer.queries)
    const store = new SqlJobStore(newer)
    for (const id of ['one', 'two']) expect(await store.events(id, 0, 9)).toMatchObject([{ kind: 'accepted' }])
    expect([(await claimed(store)).job.id, (await claimed(store)).job.id]).toEqual(['one', 'two'])
  })

  test('a recording is not taken for garbage while a submit with it is being committed', async () => {
    await using fixture = await open()
    const garbage = new Garbage(database)
    const { payloadKey } = newJob()
    const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
    const { promise: isInserted, resolve: inserted } = Promise.withResolvers<void>()
    const submit = database.queries.transaction().execute(async (transaction) => {
      await new SqlJobStore({ ...database, queries: transaction }).submit(newJob({ payloadKey }))
      inserted()
      await mayCommit
    })
    await isInserted
    // The job that had it before is removed only now, so that the submit found nothing to take away.
    await garbage.add([payloadKey])
    expect((await garbage.take(9)).keys).toEqual([])
    commit()
    await submit
    expect((await garbage.take(9)).keys).toEqual([])
    expect(await fixture.store.usesPayload(payloadKey)).toBe(true)
    expect(await database.queries.selectFrom('garbage').selectAll().execute()).toEqual([])
  })

  test('what the version before had accepted, finished and thrown away is served by this one', async () => {
    const older = await postgres.createDatabase()
    await migratePostgres(older, MIGRATIONS.slice(0, 2))
    {
      await using queries = await openPostgres(older)
      await sql`
        insert into jobs (id, key_id, model, service_tier, input, payload_key, urgent, queue, status, attempt, completed_at, error_code, error_message)
        values ('tried often', 'key-1', 'sotto/whisper-demo', 'cpuflex', '{}', 'uploads/1.wav', 0, 'q', 'failed', 40000, 1, 'a', 'b')
      `.execute(queries)
      await sql`insert into garbage (payload_key) values ('uploads/2.wav')`.execute(queries)
    }
    await using newer = await openPostgresDatabase(older)
    const store = new SqlJobStore(newer, { ...UNLIMITED, retentionMs: 1000 })
    expect(await store.expire(9)).toBe(1)
    const { keys } = await new Garbage(newer).take(9)
    expect(keys.toSorted()).toEqual(['results/tried often/', 'uploads/1.wav', 'uploads/2.wav'])
    const { created_at: createdAt } = await newer.queries
      .selectFrom('installation')
      .selectAll()
      .executeTakeFirstOrThrow()
    expect(createdAt).toBeLessThan(Date.now() / 1000)
  })

  test('what waited, paused and ran in the version before goes on, each in its turn', async () => {
    const older = await postgres.createDatabase()
    await migratePostgres(older, MIGRATIONS.slice(0, 3))
    {
      await using queries = await openPostgres(older)
      for (const statement of JOBS_IN_EVERY_STATE) await sql.raw(statement).execute(queries)
    }
    await using newer = await openPostgresDatabase(older)
    expect(await goOn(new SqlJobStore(newer))).toEqual(GONE_ON)
  })

  test('a reader of events misses none of a transaction that took longer than one after it', async () => {
    await using fixture = await open()
    const { store } = fixture
    const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
    const { promise: isInserted, resolve: inserted } = Promise.withResolvers<void>()
    const [slow, quick] = [newJob(), newJob()]
    const submit = database.queries.transaction().execute(async (transaction) => {
      await new SqlJobStore({ ...database, queries: transaction }).submit(slow)
      inserted()
      await mayCommit
    })
    await isInserted
    await store.submit(quick)
    const before = await store.eventsOfKey('key-1', 0, 9)
    expect(before.map(({ jobId }) => jobId)).toEqual([quick.id])
    commit()
    await submit
    const after = await store.eventsOfKey('key-1', before[0]?.sequence ?? 0, 9)
    expect(after.map(({ jobId }) => jobId)).toEqual([slow.id])
  })

  test('what nobody reads is put in order by housekeeping', async () => {
    await using fixture = await open()
    const { store } = fixture
    await Promise.all(Array.from({ length: 30 }, () => store.submit(newJob())))
    const unnumbered = async (): Promise<number> =>
      (await sql`select 1 from job_events where sequence is null`.execute(database.queries)).rows.length
    expect(await unnumbered()).toBe(30)
    await new Reaper(store, 2).round(new AbortController().signal)
    expect(await unnumbered()).toBe(0)
  })

  test('readers of events who follow many servers miss none, and see each job’s in their order', async () => {
    await using fixture = await open()
    await using stacked = new AsyncDisposableStack()
    const connected = async () => new SqlJobStore(stacked.use(await openPostgresDatabase(url)))
    const writers = [await connected(), await connected(), await connected()]
    let isDone = false
    const follow = async (store: SqlJobStore): Promise<readonly JobEvent[]> => {
      const seen: JobEvent[] = []
      for (;;) {
        const isLast = isDone
        const page = await store.eventsOfKey('key-1', seen.at(-1)?.sequence ?? 0, 7)
        seen.push(...page)
        if (isLast && page.length === 0) return seen
      }
    }
    const followers = [follow(await connected()), follow(await connected())]
    await Promise.all(
      writers.map(async (store) => {
        for (let n = 0; n < 40; n++) {
          await Promise.all([store.submit(newJob()), store.submit(newJob())])
          const [claim] = await store.claim(EVERY_TIER)
          if (claim === undefined) continue
          await store.keepWindow(claim.lease, 0, '{}', 30)
          await store.succeed(claim.lease, 'results/1.json')
        }
      }),
    )
    isDone = true
    const all = await fixture.store.eventsOfKey('key-1', 0, 10_000)
    expect(all.length).toBeGreaterThan(240)
    for (const follower of followers) expect(await follower).toEqual(all)
    for (const id of new Set(all.map(({ jobId }) => jobId))) {
      const kinds = all.filter(({ jobId }) => jobId === id).map(({ kind }) => kind)
      expect(kinds).toEqual(['accepted', 'claimed', 'window', 'finished'].slice(0, kinds.length))
    }
  })

  test('jobs that somebody else holds, and lets go, are not missed; others do not wait for them', async () => {
    await using fixture = await open()
    const { store } = fixture
    const job = await submitted(store)
    for (let n = 0; n < 20; n++) await submitted(store)
    const { promise: isHeld, resolve: held } = Promise.withResolvers<void>()
    const { promise: mayLetGo, resolve: letGo } = Promise.withResolvers<void>()
    const holding = database.queries.transaction().execute(async (transaction) => {
      await sql`select 1 from jobs for update`.execute(transaction)
      held()
      await mayLetGo
    })
    await isHeld
    const other = await submitted(store, { audioSeconds: 600 })
    expect((await claimed(store)).job.id).toBe(other.id)
    let isOver = false
    const waiting = store.claim(EVERY_TIER).finally(() => (isOver = true))
    await expect.poll(async () => isOver || (await waitsForALock(database))).toBe(true)
    letGo()
    await holding
    expect(await waiting).toMatchObject([{ job: { id: job.id } }])
  })

  test('many servers that submit and claim at the same time: each job is claimed once, and none is lost', async () => {
    await using _ = await open()
    await using stacked = new AsyncDisposableStack()
    const stores: SqlJobStore[] = []
    for (let n = 0; n < 4; n++) stores.push(new SqlJobStore(stacked.use(await openPostgresDatabase(url))))
    const ids = new Set<string>()
    const ours: string[] = []
    let isDone = false
    const submitters = stores.map(async (store) => {
      for (let n = 0; n < 50; n++) ids.add((await store.submit(newJob({ keyId: `key-${n % 7}` }))).job.id)
    })
    const claimers = stores.map(async (store) => {
      for (;;) {
        const isLast = isDone
        const [claim] = await store.claim(EVERY_TIER)
        if (claim !== undefined) ours.push(claim.job.id)
        else if (isLast) return
      }
    })
    await Promise.all(submitters)
    isDone = true
    await Promise.all(claimers)
    expect(ours.toSorted()).toEqual([...ids].toSorted())
  })
})
