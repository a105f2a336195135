import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pino from 'pino'
import { expect, test } from 'vitest'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { running } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import type { JobStore } from '../../jobs/job-store.ts'
import type { FinishedWindow } from '../../contract/recognition-task.ts'
import { FIRST_FAMILY } from '../../models/index.ts'
import { KeptWindows } from './kept-windows.ts'

/** A running job in a database of its own, and its windows. */
async function open() {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-windows-')))
  const database = stack.use(await openSqlite(folder.path))
  const jobs: JobStore = new SqlJobStore(database)
  const { lease } = await running(jobs)
  const warnings: string[] = []
  const logger = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) })
  let losses = 0
  const kept = stack.move()
  const create = (retryMs = 5): KeptWindows =>
    kept.use(new KeptWindows({ jobs, lease, logger, retryMs, onLost: () => (losses += 1) }))
  return {
    ...{ jobs, lease, warnings, create, losses: () => losses },
    /** The database takes nothing more until there is room again. */
    fill: () => sql`pragma max_page_count = 1`.execute(database.queries),
    makeRoom: () => sql`pragma max_page_count = 100000`.execute(database.queries),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** So large that it needs a page of its own. */
function window(ordinal: number): FinishedWindow {
  const data = { ordinal, text: 'x'.repeat(10_000) }
  const passage = { firstSegment: ordinal, segments: [{ id: ordinal, start: 0, end: 30, text: 'x' }] }
  return { ordinal, seconds: 30, resumePoint: { family: 'a-family', version: 3, data }, passage }
}

const WINDOWS = [0, 1, 2, 3].map(window)
const POINTS = WINDOWS.map(({ resumePoint }) => resumePoint)

test('windows come back as they were, for another run of the job', async () => {
  await using fixture = await open()
  const windows = fixture.create()
  expect(await windows.read()).toEqual([])
  for (const each of WINDOWS) windows.keep(each)
  expect(windows.finished).toBe(4)
  await windows.flush()
  expect(await fixture.create().read()).toEqual(POINTS)
})

test('what can’t be read ends what is gone on from', async () => {
  await using fixture = await open()
  const { jobs, lease, create } = fixture
  const windows = create()
  for (const each of WINDOWS) windows.keep(each)
  await windows.flush()
  await jobs.keepWindow(lease, 2, '{"version":0}', 90)
  expect(await create().read()).toEqual(POINTS.slice(0, 2))
  expect(fixture.warnings.join('')).toContain('"window":2')
})

test.each([
  ['no JSON', 'damaged'],
  ['no point', 'null'],
  ['a point of no family', '{"family":"","version":1,"data":{}}'],
  ['of a version that is none', '{"family":"a-family","version":0,"data":{}}'],
])('nothing behind a window is gone on from that is %s', async (_what, damaged) => {
  await using fixture = await open()
  const { jobs, lease, create } = fixture
  const stored = POINTS.map((point) => JSON.stringify(point)).with(2, damaged)
  for (const [ordinal, data] of stored.entries()) await jobs.keepWindow(lease, ordinal, data, 30)
  expect(await create().read()).toEqual(POINTS.slice(0, 2))
  expect(fixture.warnings).toHaveLength(1)
})

test('windows of which all can be read are told of to nobody', async () => {
  await using fixture = await open()
  const windows = fixture.create()
  windows.keep(WINDOWS[0]!)
  await windows.flush()
  expect(await fixture.create().read()).toEqual(POINTS.slice(0, 1))
  expect(fixture.warnings).toEqual([])
})

test('a window that was kept later than others is written after them, and after a pause too', async () => {
  await using fixture = await open()
  const windows = fixture.create()
  windows.keep(WINDOWS[0]!)
  await expect.poll(() => fixture.jobs.windows(fixture.lease.jobId)).toHaveLength(1)
  windows.keep(WINDOWS[1]!)
  await expect.poll(() => fixture.jobs.windows(fixture.lease.jobId)).toHaveLength(2)
  expect(await fixture.create().read()).toEqual(POINTS.slice(0, 2))
})

test('windows that were kept before there were families are the first one’s', async () => {
  await using fixture = await open()
  const { jobs, lease, create } = fixture
  const data = { fingerprint: 'f', ordinal: 0, language: 'en', seconds: 30, window: { seek: 0 } }
  await jobs.keepWindow(lease, 0, JSON.stringify({ version: 1, ...data }), 30)
  expect(await create().read()).toEqual([{ family: FIRST_FAMILY, version: 1, data }])
})

test('a database that is away for a moment gets them later, in their order', async () => {
  await using fixture = await open()
  const { jobs, lease, warnings, create } = fixture
  const windows = create()
  await fixture.fill()
  for (const each of WINDOWS) windows.keep(each)
  await expect.poll(() => warnings.length).toBeGreaterThan(1)
  expect(warnings.join('')).not.toContain('x'.repeat(10))
  expect(JSON.parse(warnings[0] ?? '')).toMatchObject({ window: 0, err: { message: expect.any(String) } })
  expect(await jobs.windows(lease.jobId)).toEqual([])
  await fixture.makeRoom()
  await expect.poll(() => jobs.windows(lease.jobId)).toHaveLength(WINDOWS.length)
  expect(await create().read()).toEqual(POINTS)
})

/** With a window that the database did not take, and a long time until the next try. */
async function stuck({ create, fill, warnings }: Awaited<ReturnType<typeof open>>): Promise<KeptWindows> {
  const before = warnings.length
  const windows = create(600_000)
  await fill()
  windows.keep(WINDOWS[0]!)
  await expect.poll(() => warnings.length).toBe(before + 1)
  return windows
}

test('the end of a run does not wait for a database that stays away, but tries once more', async () => {
  await using fixture = await open()
  const { jobs, lease, warnings } = fixture
  const windows = await stuck(fixture)
  await windows.flush()
  expect(warnings).toHaveLength(2)

  await fixture.makeRoom()
  const others = await stuck(fixture)
  await fixture.makeRoom()
  await others.flush()
  expect(await jobs.windows(lease.jobId)).toHaveLength(1)
})

test('a lease that was lost is told of once, and nothing is written', async () => {
  await using fixture = await open()
  const { jobs, lease, create } = fixture
  await jobs.release(lease)
  const windows = create()
  for (const each of WINDOWS) windows.keep(each)
  await windows.flush()
  expect(fixture.losses()).toBe(1)
  expect(await jobs.windows(lease.jobId)).toEqual([])
})

test('what waits is forgotten when the job has succeeded', async () => {
  await using fixture = await open()
  const { jobs, lease } = fixture
  const windows = await stuck(fixture)
  windows[Symbol.dispose]()
  await fixture.makeRoom()
  await windows.flush()
  expect(await jobs.windows(lease.jobId)).toEqual([])
})
