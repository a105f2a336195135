import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, readdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { openSqlite } from './database.ts'
import { GONE_ON, JOBS_IN_EVERY_STATE, goOn } from '../older-jobs.fixture.ts'
import { newJob, submitted } from '../new-job.fixture.ts'
import { claimed } from '../running-job.fixture.ts'
import { MIGRATIONS } from './migrations.ts'
import { Garbage } from '../keeping/garbage.ts'
import { SqlJobStore, UNLIMITED } from '../sql/sql-store.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'sotto-database-'))

describe('openSqlite', () => {
  test('queues the jobs that an older version had accepted', async () => {
    await using folder = await temporaryFolder()
    {
      using older = new DatabaseSync(join(folder.path, 'sotto.db'))
      for (const step of MIGRATIONS.slice(0, 2)) older.exec(step)
      older.exec(`
        pragma user_version = 2;
        insert into jobs (id, key_id, model, service_tier, input, payload_key, urgent, queue)
        values ('one', 'key-1', 'sotto/whisper-demo', 'cpuflex', '{}', 'uploads/1.wav', 0, 'cpuflex/ordinary/sotto/whisper-demo');
      `)
    }
    await using database = await openSqlite(folder.path)
    const store = new SqlJobStore(database)
    expect((await claimed(store)).job.id).toBe('one')
    expect((await store.events('one', 0, 9)).map(({ kind }) => kind)).toEqual(['accepted', 'claimed'])
  })

  test('serves what the version before had accepted, finished and thrown away', async () => {
    await using folder = await temporaryFolder()
    {
      using older = new DatabaseSync(join(folder.path, 'sotto.db'))
      for (const step of MIGRATIONS.slice(0, 3)) older.exec(step)
      older.exec(`
        pragma user_version = 3;
        insert into jobs (id, key_id, model, service_tier, input, payload_key, urgent, queue, status, attempt, accepted_at, completed_at, error_code, error_message)
        values ('tried often', 'key-1', 'sotto/whisper-demo', 'cpuflex', '{}', 'uploads/1.wav', 0, 'q', 'failed', 40000, 1000, 1001, 'a', 'b');
        insert into garbage (payload_key) values ('uploads/2.wav');
      `)
    }
    await using database = await openSqlite(folder.path)
    const { created_at: createdAt } = await database.queries
      .selectFrom('installation')
      .selectAll()
      .executeTakeFirstOrThrow()
    expect(createdAt).toBe(1000)
    expect(await new SqlJobStore(database, { ...UNLIMITED, retentionMs: 1000 }).expire(9)).toBe(1)
    const { keys } = await new Garbage(database).take(9)
    expect(keys.toSorted()).toEqual(['results/tried often/', 'uploads/1.wav', 'uploads/2.wav'])
  })

  test('goes on with what waited, paused and ran in the version before, each in its turn', async () => {
    await using folder = await temporaryFolder()
    {
      using older = new DatabaseSync(join(folder.path, 'sotto.db'))
      for (const step of [...MIGRATIONS.slice(0, 4), 'pragma user_version = 4', ...JOBS_IN_EVERY_STATE])
        older.exec(step)
    }
    await using database = await openSqlite(folder.path)
    expect(await goOn(new SqlJobStore(database))).toEqual(GONE_ON)
  })

  test('keeps what was written, for the next one to open it', async () => {
    await using folder = await temporaryFolder()
    const job = newJob()
    {
      await using database = await openSqlite(folder.path)
      await new SqlJobStore(database).submit(job)
    }
    expect(await readdir(folder.path)).toEqual(['sotto.db'])
    await using database = await openSqlite(folder.path)
    expect(await new SqlJobStore(database).find(job.id)).toMatchObject({ id: job.id, status: 'pending' })
  })

  test('commits to the disk', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    const pragma = async (name: string) =>
      Object.values(
        (await sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(database.queries)).rows[0] ?? {},
      )
    expect(await pragma('journal_mode')).toEqual(['wal'])
    expect(await pragma('synchronous')).toEqual([2])
    expect(await pragma('fullfsync')).toEqual([1])
    expect(await pragma('foreign_keys')).toEqual([1])
  })

  test.skipIf(process.platform === 'win32')('lets nobody else read its files', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    await new SqlJobStore(database).submit(newJob())
    const names = await readdir(folder.path)
    expect(names).toContain('sotto.db-wal')
    for (const name of names) expect((await stat(join(folder.path, name))).mode & 0o777).toBe(0o600)
  })

  test('can be done by several processes at once on a new folder', async () => {
    await using folder = await temporaryFolder()
    const program = join(import.meta.dirname, '../../../test/support/sqlite-store.child.ts')
    const codes = [1, 2, 3, 4].map(async () => {
      const child = spawn(process.execPath, [program, 'open', folder.path], { stdio: ['ignore', 'ignore', 'inherit'] })
      await once(child, 'close')
      return child.exitCode
    })
    expect(await Promise.all(codes)).toEqual([0, 0, 0, 0])
  })

  test('refuses a schema of the future', async () => {
    await using folder = await temporaryFolder()
    const future = new DatabaseSync(join(folder.path, 'sotto.db'))
    future.exec('pragma user_version = 1000')
    future.close()
    const error = { code: 'store.newer_schema', retryable: false, message: expect.stringContaining('1000') }
    await expect(openSqlite(folder.path)).rejects.toMatchObject(error)
  })

  test('refuses a file that is no database', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'sotto.db'), 'a letter to a friend, '.repeat(100))
    await expect(openSqlite(folder.path)).rejects.toMatchObject({ code: 'store.damaged', retryable: false })
  })

  test('refuses a folder that is not there', async () => {
    await using folder = await temporaryFolder()
    const error = { name: 'JobStoreError', code: 'store.unavailable', retryable: true, cause: expect.any(Error) }
    await expect(openSqlite(join(folder.path, 'none'))).rejects.toMatchObject(error)
  })
})

describe('an open database', () => {
  test('that another process has locked holds nobody up: reads go on, and the write does when the lock is gone', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    const store = new SqlJobStore(database)
    const before = await submitted(store)
    using other = new DatabaseSync(join(folder.path, 'sotto.db'))
    other.exec('begin immediate')
    let isDone = false
    const write = store.submit(newJob()).finally(() => (isDone = true))
    const inTransaction = store.remove(before.id)
    // Each of these reads takes its turn between two tries of the writes.
    for (let n = 0; n < 20; n++) expect((await store.list('key-1', { limit: 9 })).jobs).toHaveLength(1)
    expect(isDone).toBe(false)
    other.exec('rollback')
    const { job } = await write
    await inTransaction
    expect(await store.find(job.id)).toMatchObject({ status: 'pending' })
  })

  test('has no statement wait on the thread, so that a hundred that find it locked hold nobody up either', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    const { rows } = await sql`pragma busy_timeout`.execute(database.queries)
    expect(rows).toEqual([{ timeout: 0 }])
  })

  test('that stays locked says so', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    using other = new DatabaseSync(join(folder.path, 'sotto.db'))
    other.exec('begin immediate')
    const error = { code: 'store.unavailable', retryable: true, message: expect.stringContaining('another process') }
    await expect(new SqlJobStore(database).check()).rejects.toMatchObject(error)
    other.exec('rollback')
    await new SqlJobStore(database).check()
  })

  test('has transactions one after the other, and no statement of another user in between', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    const { queries } = database
    const add = (id: string, within: typeof queries = queries) =>
      within.insertInto('secrets').values({ name: id, value: id }).execute()
    const transactions = ['a', 'b', 'c'].map((name) =>
      queries.transaction().execute(async (transaction) => {
        for (let n = 0; n < 5; n++) await add(`${name}${n}`, transaction)
        throw new Error('rolled back')
      }),
    )
    const alone = Array.from({ length: 20 }, (_, n) => add(`alone ${n}`))
    const outcomes = await Promise.allSettled(transactions)
    await Promise.all(alone)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    const kept = await queries.selectFrom('secrets').select('name').execute()
    expect(kept.map(({ name }) => name).filter((name) => !name.startsWith('alone'))).toEqual([])
    expect(kept).toHaveLength(20)
  })

  test('passes on what it does not know: a statement that is wrong is no database that is away', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    await expect(sql`select nothing from nowhere`.execute(database.queries)).rejects.not.toMatchObject({
      name: 'JobStoreError',
    })
    const many = database.queries
      .deleteFrom('garbage')
      .where('payload_key', 'in', Array.from({ length: 40_000 }, String))
    await expect(many.execute()).rejects.toThrow(/too many SQL variables/)
    await expect(many.execute()).rejects.not.toHaveProperty('retryable')
  })

  test('that is full says so, and works again when there is room', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    const store = new SqlJobStore(database)
    await sql`pragma max_page_count = 1`.execute(database.queries)
    const large = newJob({ input: { initial_prompt: 'x'.repeat(1_000_000) } })
    const error = { code: 'store.unavailable', retryable: true, message: expect.stringContaining('disk is full') }
    await expect(store.submit(large)).rejects.toMatchObject(error)
    await sql`pragma max_page_count = 100000`.execute(database.queries)
    await store.submit(large)
  })

  test('rolls a failed transaction back', async () => {
    await using folder = await temporaryFolder()
    await using database = await openSqlite(folder.path)
    const insert = { id: 'one', name: 'one', prefix: '', hash: 'x' }
    const transaction = database.queries.transaction().execute(async (inner) => {
      await inner.insertInto('api_keys').values(insert).execute()
      await inner.insertInto('api_keys').values(insert).execute()
    })
    await expect(transaction).rejects.toMatchObject({ code: 'store.refused' })
    expect(await database.queries.selectFrom('api_keys').selectAll().execute()).toEqual([])
  })
})
