import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_POSTGRES, hasPostgres, startPostgres } from '../../../test/support/postgres.ts'
import type { JobFilter, ListOptions } from '../job-store.ts'
import { pagesRead } from '../page-reads.fixture.ts'
import { openPostgresDatabase } from '../postgres/database.ts'
import type { Database } from '../sql/dialect.ts'
import { openSqlite } from '../sqlite/database.ts'
import { list } from './list.ts'
import { fillList } from './many-jobs.fixture.ts'

const JOBS = 100_000
const LIMIT = 50
/** A few levels of an index, and some pages for each job. */
const PAGES_FOR_A_PAGE = 300
/** Of 65,024 entries, with name and model, which takes a hundredth of their rows. */
const PAGES_OF_INDEX = 4000
/** Of 7,936 rows, each found by its id. */
const PAGES_OF_ROWS = 40_000

/** In the middle of the ids, where no job is. */
const MIDDLE = { direction: 'next', id: '019aba1a-0001-7000-8000-000000000000', isInclusive: false } as const

/** What is read for a page: in pages of the database, not in time. */
const CASES: readonly (readonly [what: string, options: Partial<ListOptions>, found: number, pages: number])[] = [
  ['all of them', {}, LIMIT, PAGES_FOR_A_PAGE],
  ['the oldest', { order: 'oldest' }, LIMIT, PAGES_FOR_A_PAGE],
  ['those behind a place that no job has', { cursor: MIDDLE }, LIMIT, PAGES_FOR_A_PAGE],
  ['one status of a hundredth', { statuses: ['failed'] }, LIMIT, PAGES_FOR_A_PAGE],
  ['a status that none has', { statuses: ['pending'] }, 0, PAGES_FOR_A_PAGE],
  ['several statuses', { statuses: ['pending', 'failed', 'success'] }, LIMIT, PAGES_FOR_A_PAGE],
  ['a pair that a thousandth has', { metadata: { customer: 'seven' } }, LIMIT, PAGES_FOR_A_PAGE],
  ['a pair that most have', { metadata: { customer: 'all' } }, LIMIT, PAGES_FOR_A_PAGE],
  ['a pair that none has', { metadata: { customer: 'none' } }, 0, PAGES_FOR_A_PAGE],
  ['a name of a thousandth', { text: 'NEEDLE' }, LIMIT, PAGES_OF_INDEX],
  ['a name that none has', { text: 'straw' }, 0, PAGES_OF_INDEX],
  ['a model of a thousandth', { models: ['a/rare'] }, LIMIT, PAGES_OF_INDEX],
  ['a model and a status that none has both', { models: ['a/none'], statuses: ['success'] }, 0, PAGES_OF_INDEX],
  ['a day long ago', { from: new Date(1_764_001_000_000), to: new Date(1_764_002_000_000) }, LIMIT, PAGES_OF_ROWS],
  ['a pair and a status', { metadata: { customer: 'all' }, statuses: ['failed'] }, LIMIT, PAGES_OF_ROWS],
  [
    'a pair and a status that none has both',
    { metadata: { customer: 'all' }, statuses: ['pending'] },
    0,
    PAGES_OF_ROWS,
  ],
]

function describeCost(open: () => Promise<Database & AsyncDisposable>): void {
  let database: Database
  beforeAll(async () => {
    database = await open()
    await fillList(database, JOBS)
  }, 120_000)
  afterAll(() => database[Symbol.asyncDispose]())

  test.each(CASES)('%s', async (_, options, found, mostPages) => {
    const read = () => list(database, 'key-1', { limit: LIMIT, ...options })
    expect((await read()).jobs).toHaveLength(found)
    const pages = await pagesRead(database, read)
    expect(pages).toBeGreaterThan(0)
    expect(pages).toBeLessThan(mostPages)
  })

  test('pages that end early lead to the next, and leave none out', async () => {
    const lengths = async (filter: JobFilter): Promise<readonly number[]> => {
      const options = { limit: JOBS / 1000 + 1, ...filter }
      const found: number[] = []
      let page = await list(database, 'key-1', options)
      for (;;) {
        found.push(page.jobs.length)
        if (page.next === null) return found
        page = await list(database, 'key-1', { ...options, cursor: { ...MIDDLE, id: page.next } })
      }
    }
    const needles = await lengths({ text: 'needle' })
    expect([needles.length, needles.reduce((sum, each) => sum + each, 0)]).toEqual([2, JOBS / 1000])
    const none = await lengths({ metadata: { customer: 'all' }, statuses: ['pending'] })
    expect([none.length > 9, Math.max(...none)]).toEqual([true, 0])
  })
}

describe.skipIf(process.platform !== 'linux')(`what SQLite reads of ${JOBS} jobs for a page with`, () => {
  describeCost(async () => {
    await using stack = new AsyncDisposableStack()
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-lists-')))
    const database = stack.use(await openSqlite(folder.path))
    const opened = stack.move()
    return { ...database, [Symbol.asyncDispose]: () => opened.disposeAsync() }
  })
})

describe.skipIf(!hasPostgres)(`what PostgreSQL reads of ${JOBS} jobs for a page with${NEEDS_POSTGRES}`, () => {
  describeCost(async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.use(await startPostgres({ fsync: false }))
    const database = stack.use(await openPostgresDatabase(await server.createDatabase()))
    const opened = stack.move()
    return { ...database, [Symbol.asyncDispose]: () => opened.disposeAsync() }
  })
})

test('jobs that are removed while a page looks for others have it pass over none', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-lists-'))
  await using database = await openSqlite(folder.path)
  await fillList(database, 600)
  const options = { limit: LIMIT, metadata: { customer: 'all' }, statuses: ['failed'] } as const
  const expected = (await list(database, 'key-1', options)).jobs
  expect(expected).toHaveLength(6)
  // Between each two statements, some of those that the page does not have.
  let removed = 0
  const queries = database.queries.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      const others = database.queries
        .selectFrom('jobs')
        .select('id')
        .where('status', '=', 'success')
        .orderBy('id', 'desc')
      const gone = await database.queries.deleteFrom('jobs').where('id', 'in', others.limit(60)).executeTakeFirst()
      removed += Number(gone.numDeletedRows)
      return result
    },
  })
  expect((await list({ queries }, 'key-1', options)).jobs).toEqual(expected)
  expect(removed).toBeGreaterThan(60)
})
