import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from './postgres.ts'

async function query(url: string, statement: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query({ text: statement, rowMode: 'array' })).rows.flat()
  } finally {
    await client.end()
  }
}

describe.skipIf(!hasPostgres)(`startPostgres${NEEDS_POSTGRES}`, () => {
  test('gives each of its databases to a user who may do nothing else', async () => {
    await using postgres = await startPostgres()
    const [first, second] = [await postgres.createDatabase(), await postgres.createDatabase()]
    await query(first, 'create table notes (text text)')
    expect(await query(second, "select to_regclass('notes'), current_user")).toEqual([null, 'sotto'])
    await expect(query(first, 'create role another')).rejects.toMatchObject({ code: '42501' })
  })

  test('syncs to the disk, or not', async () => {
    await using durable = await startPostgres()
    await using fast = await startPostgres({ fsync: false, maxConnections: 150 })
    const settings = "select setting from pg_settings where name in ('fsync', 'max_connections') order by name"
    expect(await query(durable.url, settings)).toEqual(['on', '200'])
    expect(await query(fast.url, settings)).toEqual(['off', '150'])
  })

  test('comes back after a kill with what was committed, at the same place', async () => {
    await using postgres = await startPostgres()
    const url = await postgres.createDatabase()
    await query(url, 'create table notes (text text)')
    await query(url, "insert into notes values ('kept')")
    const asleep = query(url, 'select pg_sleep(600)')
    const sleepers = "select count(*)::int from pg_stat_activity where query like '%sleep(600)' and state = 'active'"
    while ((await query(postgres.url, sleepers))[0] !== 1) await setTimeout(5)
    const [{ status }] = await Promise.allSettled([asleep, postgres.kill()])
    expect(status).toBe('rejected')
    await expect(query(url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await postgres.restart()
    expect(await query(url, 'select text from notes')).toEqual(['kept'])
  })

  test('restarts while it runs', async () => {
    await using postgres = await startPostgres({ fsync: false })
    const before = postgres.pid
    await postgres.restart()
    expect(postgres.pid).not.toBe(before)
    expect(await query(postgres.url, 'select 1')).toEqual([1])
  })

  test.each(['running', 'killed'])('leaves nothing behind, %s', async (state) => {
    const postgres = await startPostgres({ fsync: false })
    const { folder, url } = postgres
    if (state === 'killed') await postgres.kill()
    await postgres[Symbol.asyncDispose]()
    await postgres[Symbol.asyncDispose]()
    expect(existsSync(folder)).toBe(false)
    await expect(query(url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('leaves nothing behind when its process is killed', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'postgres.child.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const closed = once(child, 'close')
    const [line] = await once(child.stdout, 'data')
    const { folder, url } = JSON.parse(String(line))
    expect(await query(url, 'select 1')).toEqual([1])
    child.kill('SIGKILL')
    await closed
    while (existsSync(folder)) await setTimeout(20)
    await expect(query(url, 'select 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})
