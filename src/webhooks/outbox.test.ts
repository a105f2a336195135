import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../test/support/postgres.ts'
import { openPostgresDatabase } from '../jobs/postgres/database.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import { SqlJobStore } from '../jobs/sql/sql-store.ts'
import { openSqlite } from '../jobs/sqlite/database.ts'
import { describeOutbox } from './outbox.contract.ts'

describeOutbox('SQLite', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-webhooks-')))
  const database = stack.use(await openSqlite(folder.path))
  const opened = stack.move()
  return { store: new SqlJobStore(database), database, [Symbol.asyncDispose]: () => opened.disposeAsync() }
})

describe.skipIf(!hasPostgres)(`PostgreSQL${NEEDS_POSTGRES}`, () => {
  let database: Database
  const stack = new AsyncDisposableStack()
  beforeAll(async () => {
    const postgres = stack.use(await startPostgres({ fsync: false }))
    database = stack.use(await openPostgresDatabase(await postgres.createDatabase()))
  })
  afterAll(() => stack.disposeAsync())

  describeOutbox('PostgreSQL', async () => {
    await sql`
      truncate jobs, job_events, api_keys, secrets, webhook_secrets, webhook_defaults, webhook_deliveries, webhook_attempts restart identity
    `.execute(database.queries)
    return { store: new SqlJobStore(database), database, [Symbol.asyncDispose]: async () => undefined }
  })
})
