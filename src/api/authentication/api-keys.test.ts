import { mkdtempDisposable, readFile, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { Postgres } from '../../../test/support/postgres.ts'
import { openPostgresDatabase } from '../../jobs/postgres/database.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import type { Database } from '../../jobs/sql/dialect.ts'
import { describeKeys } from './api-keys.contract.ts'
import { ApiKeys } from './api-keys.ts'

async function open() {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-keys-')))
  const keys = new ApiKeys(stack.use(await openSqlite(folder.path)))
  const opened = stack.move()
  const connect = async () => new ApiKeys(opened.use(await openSqlite(folder.path)))
  return { keys, connect, folder: folder.path, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

const SECRET = 'a-secret-that-a-person-chose'

describe('ApiKeys', () => {
  test('a key that was made is valid, and no other', async () => {
    await using fixture = await open()
    const { keys } = fixture
    const key = await keys.create('laptop')
    expect(key).toMatchObject({ name: 'laptop', secret: expect.stringMatching(/^sotto_[\w-]{43}$/) })
    expect((await keys.verify(key.secret))?.id).toBe(key.id)
    for (const wrong of ['', 'sotto_', key.id, `${key.secret}x`, key.secret.slice(0, -1), key.secret.toUpperCase()]) {
      expect(await keys.verify(wrong)).toBeUndefined()
    }
  })

  test('are listed without their secrets', async () => {
    await using fixture = await open()
    const { keys } = fixture
    const made = [await keys.create('one'), await keys.create('two')]
    const listed = await keys.list()
    expect(new Set(listed.map((key) => key.name))).toEqual(new Set(['one', 'two']))
    for (const { secret, ...key } of made) {
      expect(listed).toContainEqual(key)
      expect(key.prefix).toBe(secret.slice(0, 10))
    }
  })

  test('are kept as hashes only', async () => {
    await using fixture = await open()
    const { secret } = await fixture.keys.create('laptop')
    await fixture.keys.setEnvironmentKey(SECRET)
    for (const name of await readdir(fixture.folder)) {
      const bytes = await readFile(join(fixture.folder, name), 'latin1')
      expect(bytes).not.toContain(secret)
      expect(bytes).not.toContain(SECRET.slice(0, 8))
    }
  })

  test('a key that another process revokes is invalid at once', async () => {
    await using fixture = await open()
    const other = await fixture.connect()
    const { id, secret } = await other.create('laptop')
    expect((await fixture.keys.verify(secret))?.id).toBe(id)
    expect(await other.revoke(id)).toBe(true)
    // The next request is read in another turn of the event loop.
    await setImmediate()
    expect(await fixture.keys.verify(secret)).toBeUndefined()
    expect(await fixture.keys.revoke(id)).toBe(false)
  })
})

describe('the first key', () => {
  test('has an id of the secret that all servers share, which versions may not differ in', async () => {
    await using fixture = await open()
    const { keys, folder } = fixture
    await using database = await openSqlite(folder)
    const value = Buffer.from('109156bec4fbc1ea71b4efe1671c5836'.padEnd(64, '0'), 'hex').toString('base64')
    await database.queries.insertInto('secrets').values({ name: 'first-key', value }).execute()
    expect((await keys.createFirst())?.id).toBe('109156be-c4fb-41ea-b1b4-efe1671c5836')
  })

  test('is made once, however many servers start at the same time', async () => {
    await using fixture = await open()
    const others = await Promise.all([fixture.connect(), fixture.connect()])
    const made = await Promise.all([fixture.keys, ...others].map((keys) => keys.createFirst()))
    expect(made.filter((key) => key !== undefined)).toHaveLength(1)
    expect(await fixture.keys.list()).toHaveLength(1)
  })

  test('after it was revoked is another one, which owns nothing of it', async () => {
    await using fixture = await open()
    const { keys } = fixture
    const first = await keys.createFirst()
    expect(await keys.revoke(first?.id ?? '')).toBe(true)
    const next = await keys.createFirst()
    expect(next?.id).toEqual(expect.any(String))
    expect(next?.id).not.toBe(first?.id)
    expect(await keys.verify(first?.secret ?? '')).toBeUndefined()
  })
})

describe("the environment's key", () => {
  test('is valid, and there once however often it is set', async () => {
    await using fixture = await open()
    const { keys } = fixture
    await keys.setEnvironmentKey(SECRET)
    const before = await keys.list()
    await keys.setEnvironmentKey(SECRET)
    expect(await keys.list()).toEqual(before)
    expect(before).toMatchObject([{ name: 'SOTTO_API_KEY', prefix: '' }])
    expect((await keys.verify(SECRET))?.id).toBe(before[0]?.id)
  })

  test('gives way to the next one, which owns what it owned', async () => {
    await using fixture = await open()
    const { keys } = fixture
    const made = await keys.create('laptop')
    await keys.setEnvironmentKey(SECRET)
    const owner = (await keys.verify(SECRET))?.id
    await keys.setEnvironmentKey(`${SECRET}-2`)
    expect(await keys.verify(SECRET)).toBeUndefined()
    expect((await keys.verify(`${SECRET}-2`))?.id).toBe(owner)
    expect((await keys.verify(made.secret))?.id).toBe(made.id)
  })

  test('stays while a server starts without the variable, until it is revoked', async () => {
    await using fixture = await open()
    const { keys } = fixture
    expect(await keys.hasEnvironmentKey()).toBe(false)
    await keys.setEnvironmentKey(SECRET)
    expect(await keys.hasEnvironmentKey()).toBe(true)
    expect(await keys.createFirst()).toBeUndefined()
    expect(await keys.revoke('environment')).toBe(true)
    expect(await keys.hasEnvironmentKey()).toBe(false)
    expect(await keys.verify(SECRET)).toBeUndefined()
  })

  test('is another generation with another secret, as no other key is', async () => {
    await using fixture = await open()
    const { keys } = fixture
    const made = await keys.create('laptop')
    expect(await keys.generation(made.id)).toBe('')
    await keys.setEnvironmentKey(SECRET)
    const before = await keys.generation('environment')
    await keys.setEnvironmentKey(SECRET)
    expect(await keys.generation('environment')).toBe(before)
    await keys.setEnvironmentKey(`${SECRET}-2`)
    expect(await keys.generation('environment')).not.toBe(before)
    await keys.revoke(made.id)
    expect(await keys.generation(made.id)).toBeUndefined()
  })

  test('may be the secret of a key that was made', async () => {
    await using fixture = await open()
    const { keys } = fixture
    const made = await keys.create('laptop')
    await keys.setEnvironmentKey(SECRET)
    await keys.setEnvironmentKey(made.secret)
    expect((await keys.verify(made.secret))?.id).toBe(made.id)
    expect(await keys.verify(SECRET)).toBeUndefined()
    expect(await keys.list()).toHaveLength(1)
  })
})

describeKeys('SQLite', async () => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-keys-')))
  const database = stack.use(await openSqlite(folder.path))
  const opened = stack.move()
  const connect = async () => new ApiKeys(opened.use(await openSqlite(folder.path)))
  return { database, connect, [Symbol.asyncDispose]: () => opened.disposeAsync() }
})

describe.skipIf(!hasPostgres)(`the keys in PostgreSQL${NEEDS_POSTGRES}`, () => {
  const stack = new AsyncDisposableStack()
  let server: Postgres
  let url: string
  let databases: readonly Database[]
  beforeAll(async () => {
    server = stack.use(await startPostgres({ fsync: false }))
    url = await server.createDatabase()
    databases = await Promise.all(Array.from({ length: 4 }, async () => stack.use(await openPostgresDatabase(url))))
  })
  afterAll(() => stack.disposeAsync())

  describeKeys('PostgreSQL', async () => {
    const [database, ...others] = databases
    if (database === undefined) throw new Error('no connection')
    await sql`truncate api_keys, secrets`.execute(database.queries)
    let next = 0
    const connect = async () => new ApiKeys(others[next++ % others.length] ?? database)
    return { database, connect, [Symbol.asyncDispose]: async () => undefined }
  })

  test('are one first key of many servers, then another one', async () => {
    const servers = databases.map((database) => new ApiKeys(database))
    for (const { queries } of databases.slice(0, 1)) await sql`truncate api_keys, secrets`.execute(queries)
    const [first, ...others] = (await Promise.all(servers.map((keys) => keys.createFirst()))).filter(
      (key) => key !== undefined,
    )
    expect(others).toEqual([])
    const [one] = servers
    expect(await one?.generation(first?.id ?? '')).toBe('')
    expect(await one?.revoke(first?.id ?? '')).toBe(true)
    expect(await one?.generation(first?.id ?? '')).toBeUndefined()
    expect((await one?.createFirst())?.id).not.toBe(first?.id)
  })
})
