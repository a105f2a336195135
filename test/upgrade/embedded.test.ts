import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture as clip } from '../support/clips.ts'
import { Server, temporaryFolder } from '../support/server.ts'
import { progressOf, tusUpload } from '../support/tus.ts'
import {
  expectEnd,
  expectOnlyWindowsBehind,
  expectReplayed,
  expectSubmittable,
  jobsThatStay,
  storedResult,
} from './expectations.ts'
import { bytesOf, madeNow, readFixture, requireNamed, versions, writeTree } from './fixture.ts'
import type { UpgradeFixture } from './fixture.ts'
import { SHORT, Visitor } from './visitor.ts'

/**
 * What the servers that were killed had left in their data folder, as if they had been killed right now. Says when the job whose engine had
 * crashed may be tried again.
 */
async function layOut(dataDir: string, { fixture, sql }: { fixture: UpgradeFixture; sql: string }): Promise<number> {
  await writeTree(join(dataDir, 'payloads'), fixture.payloads)
  await mkdir(join(dataDir, 'payloads/tmp'), { recursive: true })
  await writeFile(join(dataDir, 'signing-secret'), fixture.signingSecret ?? '', { encoding: 'base64', mode: 0o600 })
  using database = new DatabaseSync(join(dataDir, 'sotto.db'))
  database.exec('pragma journal_mode = wal')
  database.exec(sql)
  database.exec(madeNow(fixture))
  const due = database.prepare('select not_before from jobs where id = ?').get(requireNamed(fixture.jobs, 'crashed').id)
  return Number(due?.['not_before']) * 1000
}

describe.each(versions())('a data folder of %s, opened by this version', (version) => {
  const stack = new AsyncDisposableStack()
  let fixture: UpgradeFixture
  let sql: string
  let laidOutMs: number
  let dueMs: number
  let dataDir: string
  let server: Server
  let visitor: Visitor
  beforeAll(async () => {
    ;({ fixture, sql } = await readFixture(version, 'embedded'))
    dataDir = stack.use(await temporaryFolder()).path
    laidOutMs = Date.now()
    dueMs = await layOut(dataDir, { fixture, sql })
    const environment = { SOTTO_LOG_LEVEL: 'debug', SOTTO_PRECISION: 'f32', SOTTO_LEASE: '3' }
    server = stack.use(await Server.start({ dataDir, environment }))
    visitor = new Visitor(server.url, requireNamed(fixture.keys, 'first'))
  })
  afterAll(() => stack.disposeAsync())

  const upload = (name: string): string => server.url + requireNamed(fixture.uploads, name)
  const objectOf = (name: string): string => {
    const { id } = requireNamed(fixture.jobs, name)
    const [, key] = new RegExp(`'${id}'.*?'(uploads/[^']+)'`).exec(sql) ?? []
    return join(dataDir, 'payloads/objects', key ?? 'no such job')
  }

  test('makes no new key, since the keys are there', () => {
    expect(server.newKey).toBeUndefined()
  })

  test('goes on with each job to its end', async () => {
    const other = new Visitor(server.url, requireNamed(fixture.keys, 'second'))
    const names = jobsThatStay(fixture)
    expect(names).toHaveLength(11)
    for (const name of names) await expectEnd(name, fixture, name === 'cancelling' ? other : visitor)
  })

  test('decodes no window again that was kept', () => {
    expectOnlyWindowsBehind(server, requireNamed(fixture.jobs, 'running').id, sql)
  })

  test('waits with the next try for as long as was said before', async () => {
    const { startedAt } = await visitor.client.poll(requireNamed(fixture.jobs, 'crashed').id)
    expect(dueMs).toBeGreaterThan(laidOutMs)
    expect(Date.parse(startedAt ?? '')).toBeGreaterThanOrEqual(Math.floor(dueMs))
  })

  test('answers polls whose URLs were signed before', async () => {
    const answer = await fetch(server.url + requireNamed(fixture.jobs, 'undisturbed').pollPath)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ status: 'success', result: storedResult(fixture, 'undisturbed') })
  })

  test('knows what was asked for with an idempotency key', async () => {
    await expectReplayed(fixture, visitor, requireNamed(fixture.uploads, 'sentTwice'))
  })

  test('takes what is uploaded to a URL that was handed out before', async () => {
    const url = upload('handedOut')
    expect((await fetch(url, { method: 'PUT', body: await readFile(clip(SHORT)) })).status).toBe(200)
    await expectSubmittable(fixture, visitor, url)
  })

  test('takes a submit of what was uploaded before', async () => {
    await expectSubmittable(fixture, visitor, upload('whole'))
  })

  test('goes on with an upload where it broke off', async () => {
    const url = upload('partial')
    const [offset] = (await progressOf(url)).split('/')
    const partial = Object.entries(fixture.payloads).find(([path]) => path.startsWith('partial/data/'))
    expect(Number(offset)).toBe(partial === undefined ? 0 : bytesOf(partial[1]).length)
    expect(await tusUpload(url, await readFile(clip(SHORT)))).toEqual([Number(offset)])
    await expectSubmittable(fixture, visitor, url)
  })

  test('removes what was to be removed, and what was to expire', async () => {
    for (const name of ['stuck', 'expiring']) await expect.poll(() => existsSync(objectOf(name))).toBe(false)
    const { pollPath } = requireNamed(fixture.jobs, 'expiring')
    expect((await visitor.client.fetch(pollPath)).status).toBe(404)
    expect(existsSync(objectOf('undisturbed'))).toBe(true)
  })

  test('counts what was submitted on that day', async ({ skip }) => {
    await server.end('SIGTERM')
    server = stack.use(await Server.start({ dataDir, environment: { SOTTO_MAX_AUDIO_SECONDS_PER_DAY: '60' } }))
    const { client } = new Visitor(server.url, requireNamed(fixture.keys, 'second'))
    const { id } = requireNamed(fixture.jobs, 'cancelling')
    const answer = await client.fetch(`/v1/async/requests/${id}/retry`, { method: 'POST' })
    skip(dayOf(Date.now()) !== dayOf(laidOutMs), 'another day of UTC has begun')
    expect(await answer.json()).toEqual({ code: 429, message: expect.stringContaining('it has submitted 60 s today') })
  })
})

function dayOf(ms: number): number {
  return Math.floor(ms / 86_400_000)
}
