import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import process from 'node:process'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import { UnreliableProxy } from '../../../test/support/unreliable-proxy.ts'
import { openPostgres } from './connection.ts'

type Database = Awaited<ReturnType<typeof openPostgres>>

const unavailable = (words: string) => ({
  name: 'JobStoreError',
  code: 'store.unavailable',
  retryable: true,
  message: expect.stringContaining(words),
  cause: expect.anything(),
})

async function one(database: Database, expression: string): Promise<unknown> {
  const { rows } = await sql<{ value: unknown }>`select ${sql.raw(expression)} as value`.execute(database)
  return rows[0]?.value
}

describe.skipIf(!hasPostgres)(`openPostgres${NEEDS_POSTGRES}`, () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false })
  })
  afterAll(() => postgres[Symbol.asyncDispose]())

  test('reads every kind of number as a number, for itself alone', async () => {
    await using database = await openPostgres(await postgres.createDatabase())
    for (const type of ['int4', 'int8', 'float4', 'float8', 'numeric']) {
      expect(await one(database, `12::${type}`)).toBe(12)
    }
    expect(await one(database, '1764028800.123456::float8')).toBe(1764028800.123456)
    const { types } = await import('pg')
    expect(types.getTypeParser(types.builtins.INT8)('12')).toBe('12')
  })

  test('names itself, and limits what a statement and an idle transaction may take', async () => {
    await using database = await openPostgres(await postgres.createDatabase())
    expect(await one(database, "current_setting('application_name')")).toBe('sotto')
    expect(await one(database, "current_setting('statement_timeout')")).toBe('10s')
    expect(await one(database, "current_setting('idle_in_transaction_session_timeout')")).toBe('30s')
  })

  test('says what is wrong with a URL, without its password', async () => {
    const url = await postgres.createDatabase()
    const { password, port } = new URL(url)
    const wrong = [
      [url.replace(password, 'hunter2'), 'the user or the password'],
      [url.replace('sotto_', 'another_'), 'no database of that name'],
      [url.replace(port, '1'), 'check that it runs'],
      [url.replace('127.0.0.1', 'nowhere.invalid'), 'host'],
      [`${url}?sslmode=require`, 'does not support SSL'],
      [`${url}?sslmode=verify-full&sslrootcert=/nowhere.pem`, '/nowhere.pem'],
      ['postgres://sotto:hunter2%@127.0.0.1:port/sotto', 'Write postgres://'],
    ] as const
    for (const [broken, words] of wrong) {
      const error: unknown = await openPostgres(broken).then(
        (database) => database.destroy(),
        (thrown: unknown) => thrown,
      )
      expect(error).toMatchObject({ code: 'store.unavailable', message: expect.stringContaining(words) })
      expect(String((error as Error).stack)).not.toMatch(new RegExp(`hunter2|${password}`))
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(new RegExp(`hunter2|${password}`))
    }
  })

  test('stops when it is told to', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    proxy.become({ kind: 'stall' })
    const url = proxy.through(await postgres.createDatabase())
    await expect(openPostgres(url, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    const stop = new AbortController()
    const opened = openPostgres(url, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(opened).rejects.toThrow('enough')
  })

  test('does without its settings where a proxy takes none', async () => {
    const url = await postgres.createDatabase()
    await using pooler = await startPoolerWithoutSettings(postgres.port)
    await using database = await openPostgres(url.replace(String(postgres.port), String(pooler.port)))
    expect(await one(database, "current_setting('statement_timeout')")).toBe('0')
  })
})

describe.skipIf(!hasPostgres)(`an open PostgreSQL database${NEEDS_POSTGRES}`, () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false })
  })
  afterAll(() => postgres[Symbol.asyncDispose]())

  test('works again when the server was killed and came back', async () => {
    await using database = await openPostgres(await postgres.createDatabase())
    await sql`create table notes (text text)`.execute(database)
    const asleep = one(database, 'pg_sleep(60)').catch((error: unknown) => error)
    const inTransaction = database.transaction().execute(async (transaction) => {
      await sql`insert into notes values ('lost')`.execute(transaction)
      await postgres.kill()
      await sql`insert into notes values ('lost')`.execute(transaction)
    })
    await expect(inTransaction).rejects.toMatchObject(unavailable('the connection'))
    expect(await asleep).toMatchObject(unavailable('the connection'))
    await expect(one(database, '1')).rejects.toMatchObject(unavailable('check that it runs'))
    await postgres.restart()
    expect(await one(database, '(select count(*) from notes)')).toBe(0)
  })

  test('outlives the end of its connections, idle ones and those in a transaction', async () => {
    await using database = await openPostgres(await postgres.createDatabase())
    await using other = await openPostgres(postgres.url)
    const end = '(select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = $$sotto$$)'
    await one(database, '1')
    await one(other, end)
    const inTransaction = database.transaction().execute(async (transaction) => {
      await sql`select 1`.execute(transaction)
      await one(other, end)
      await sql`select 1`.execute(transaction)
    })
    await expect(inTransaction).rejects.toMatchObject({ code: 'store.unavailable' })
    expect(await one(database, '1')).toBe(1)
  })

  test('ends a statement that takes too long', async () => {
    await using database = await openPostgres(await postgres.createDatabase(), { statementMs: 50 })
    await expect(one(database, 'pg_sleep(60)')).rejects.toMatchObject(unavailable('took too long'))
    await using patient = await openPostgres(await postgres.createDatabase(), { statementMs: null })
    expect(await one(patient, "current_setting('statement_timeout')")).toBe('0')
  })

  test('gives a connection up that no longer answers, and comes back', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const url = proxy.through(await postgres.createDatabase())
    await using database = await openPostgres(url, { statementMs: 50 })
    proxy.become({ kind: 'stall' })
    const error = { code: 'store.unavailable', retryable: true, message: expect.stringContaining('did not answer') }
    await expect(one(database, '1')).rejects.toMatchObject(error)
    proxy.become({ kind: 'pass' })
    expect(await one(database, '1')).toBe(1)
  })

  test('closes although the network says nothing', async () => {
    await using proxy = await UnreliableProxy.start({ host: '127.0.0.1', port: postgres.port })
    const database = await openPostgres(proxy.through(await postgres.createDatabase()))
    proxy.become({ kind: 'stall' })
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    const before = sockets()
    await database.destroy()
    expect(sockets()).toBe(before - 1)
  })

  test('says that the server has no connection left', async () => {
    await using small = await startPostgres({ fsync: false, maxConnections: 5 })
    const url = await small.createDatabase()
    await using database = await openPostgres(url, { poolSize: 10 })
    const sleeps = Array.from({ length: 10 }, () => one(database, 'pg_sleep(0.1)'))
    const errors = (await Promise.allSettled(sleeps)).filter(({ status }) => status === 'rejected')
    expect(errors[0]).toMatchObject({ reason: unavailable('max_connections') })
    expect(await one(database, '1')).toBe(1)
  })

  test('refuses what the schema refuses, and does not quote it', async () => {
    await using database = await openPostgres(await postgres.createDatabase())
    await sql
      .raw(
        `create table notes (id int primary key check (id < 10), text text not null);
         create function refuse() returns trigger language plpgsql as $$ begin raise exception 'never'; end $$;
         create trigger refuse before update on notes for each row execute function refuse();
         insert into notes values (1, 'my secret')`,
      )
      .execute(database)
    const refused = [
      "insert into notes values (1, 'my secret')",
      "insert into notes values (11, 'my secret')",
      "insert into notes values ('my secret', '')",
      "update notes set text = 'my secret'",
    ]
    for (const statement of refused) {
      const error: unknown = await sql
        .raw(statement)
        .execute(database)
        .catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'store.refused', retryable: false, cause: expect.any(Error) })
      const { cause } = error as Error
      expect(JSON.stringify([cause, (cause as Error).message, (cause as Error).stack])).not.toContain('my secret')
    }
    expect(await one(database, '(select count(*) from notes)')).toBe(1)
  })

  test.each([
    ['40P01', 'store.unavailable', 'another transaction'],
    ['40001', 'store.unavailable', 'another transaction'],
    ['53100', 'store.unavailable', 'disk is full'],
    ['57P03', 'store.unavailable', 'starting up'],
    ['58030', 'store.unavailable', 'input or output'],
    ['42P01', 'store.damaged', 'its schema'],
    ['XX001', 'store.damaged', 'internal error'],
  ])('knows SQLSTATE %s for %s', async (state, code, words) => {
    await using database = await openPostgres(await postgres.createDatabase())
    const raise = sql.raw(`do $$ begin raise exception 'x' using errcode = '${state}'; end $$`)
    await expect(raise.execute(database)).rejects.toMatchObject({ code, message: expect.stringContaining(words) })
  })

  test('passes on what it does not know, as a bug of ours, without the values that it quotes', async () => {
    await using database = await openPostgres(await postgres.createDatabase())
    const raise = sql.raw(`do $$ begin raise exception 'x' using errcode = '54023', detail = 'spoken words'; end $$`)
    const error: unknown = await raise.execute(database).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'error', code: '54023', detail: undefined })
    expect(error).not.toHaveProperty('retryable')
  })

  test('knows a standby, and leaves it', async () => {
    await using database = await openPostgres(await postgres.createDatabase(), { poolSize: 1 })
    const before = await one(database, 'pg_backend_pid()')
    await sql`set default_transaction_read_only = on`.execute(database)
    await expect(sql`create table notes (text text)`.execute(database)).rejects.toMatchObject(unavailable('standby'))
    expect(await one(database, 'pg_backend_pid()')).not.toBe(before)
  })
})

/** Like PgBouncer: answers settings in the first packet of a connection with an error, and passes all else on. */
async function startPoolerWithoutSettings(port: number) {
  const server = createServer((client) => {
    client.on('error', () => undefined)
    client.once('data', (startup) => {
      if (startup.includes('statement_timeout')) {
        client.end(errorResponse('08P01', 'unsupported startup parameter: statement_timeout'))
        return
      }
      const onward = connect(port, '127.0.0.1')
      onward.on('error', () => client.destroy())
      onward.write(startup)
      client.pipe(onward).pipe(client)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

function errorResponse(state: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${state}\0M${message}\0\0`)
  const header = Buffer.alloc(5, 'E')
  header.writeUInt32BE(4 + fields.length, 1)
  return Buffer.concat([header, fields])
}
