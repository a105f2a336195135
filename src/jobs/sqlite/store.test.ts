import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { openSqlite } from './database.ts'
import { newJob } from '../new-job.fixture.ts'
import { SqlJobStore, UNLIMITED } from '../sql/sql-store.ts'
import { describeJobStore } from '../job-store.contract.ts'
import type { JobStore, JobStoreOptions } from '../job-store.ts'

const CHILD = join(import.meta.dirname, '../../../test/support/sqlite-store.child.ts')

describeJobStore('SQLite', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-jobs-')))
  const database = stack.use(await openSqlite(folder.path))
  const opened = stack.move()
  const connect = async (options: Partial<JobStoreOptions> = {}): Promise<JobStore> =>
    new SqlJobStore(opened.use(await openSqlite(folder.path)), { ...UNLIMITED, ...options })
  return {
    store: new SqlJobStore(database),
    database,
    connect,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
})

function start(verb: 'submit' | 'claim', folder: string) {
  const child = spawn(process.execPath, [CHILD, verb, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  const said: string[] = []
  createInterface(child.stdout).on('line', (line) => said.push(line))
  const closed = once(child, 'close')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
  }
  return { child, said, closed, kill, [Symbol.asyncDispose]: kill }
}

describe('SQLite among processes', () => {
  test('kill -9 at any moment loses no submit that was acknowledged', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-jobs-'))
    const acknowledged: string[] = []
    for (let round = 1; round <= 3; round++) {
      await using submitter = start('submit', folder.path)
      const { said } = submitter
      await expect.poll(() => said.length, { interval: 5 }).toBeGreaterThan(40)
      await submitter.kill()
      acknowledged.push(...said.slice(1))
    }
    await using database = await openSqlite(folder.path)
    const rows = await database.queries.selectFrom('jobs').select('id').execute()
    const kept = new Set(rows.map((row) => row.id))
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
    // The kill can fall between the commit and its acknowledgement, once a round.
    expect(rows.length - acknowledged.length).toBeLessThanOrEqual(3)
    const integrity = await sql`pragma integrity_check`.execute(database.queries)
    expect(integrity.rows).toEqual([{ integrity_check: 'ok' }])
  })

  test('several processes that claim take each job once', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-jobs-'))
    await using database = await openSqlite(folder.path)
    const store = new SqlJobStore(database)
    for (let n = 0; n < 300; n++) await store.submit(newJob())
    await using stack = new AsyncDisposableStack()
    const claimers = [1, 2, 3].map(() => stack.use(start('claim', folder.path)))
    for (const { said } of claimers) await expect.poll(() => said).toEqual(['open'])
    for (const { child } of claimers) child.stdin.end('go')
    await Promise.all(claimers.map(({ closed }) => closed))
    const ids = claimers.flatMap(({ said }) => said.slice(1))
    expect(ids).toHaveLength(300)
    expect(new Set(ids).size).toBe(300)
  })
})
