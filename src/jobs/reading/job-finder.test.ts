import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { JobFinder } from './job-finder.ts'
import { newJob } from '../new-job.fixture.ts'
import { SqlJobStore } from '../sql/sql-store.ts'
import { openSqlite } from '../sqlite/database.ts'

/** A finder that knows nothing yet of the jobs in its database, and how many statements it has run. */
async function finderOf(jobs: number) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-finder-')))
  const database = stack.use(await openSqlite(folder.path))
  const store = new SqlJobStore(database)
  const submitted = await Promise.all(Array.from({ length: jobs }, async () => (await store.submit(newJob())).job))
  const counted = { statements: 0 }
  const queries = database.queries.withPlugin({
    transformQuery: ({ node }) => {
      counted.statements += 1
      return node
    },
    transformResult: ({ result }) => Promise.resolve(result),
  })
  const opened = stack.move()
  return {
    ...{ database, submitted, counted, finder: new JobFinder({ ...database, queries }) },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

test('what is asked for in one turn is read by one statement for each hundred, and each gets its own', async () => {
  await using given = await finderOf(250)
  const { finder, submitted, counted } = given
  const asked = submitted.map(async ({ id }, index) => {
    for (let hop = 0; hop < index % 10; hop++) await Promise.resolve()
    return await finder.find(id)
  })
  expect(await Promise.all(asked)).toEqual(submitted)
  expect(counted.statements).toBe(3)
})

test('one that is asked for several times in a turn is read once, and one that is not there is undefined', async () => {
  await using given = await finderOf(1)
  const { finder, submitted, counted } = given
  const [job] = submitted
  const ids = [job?.id ?? '', job?.id ?? '', 'nobody']
  const asked = Promise.all(ids.map(async (id) => await finder.find(id)))
  expect(await asked).toEqual([job, job, undefined])
  expect(counted.statements).toBe(1)
})

test('one that is asked for while others are read is read after them', async () => {
  await using given = await finderOf(2)
  const { finder, submitted, counted } = given
  const [one, other] = submitted
  const first = finder.find(one?.id ?? '')
  await setImmediate()
  expect(await Promise.all([first, finder.find(other?.id ?? '')])).toEqual([one, other])
  expect(counted.statements).toBe(2)
})

test('a read that fails is the error of all who asked, and the next one is another', async () => {
  await using given = await finderOf(1)
  const { finder, submitted, database } = given
  const [job] = submitted
  await sql`alter table jobs rename to elsewhere`.execute(database.queries)
  const outcomes = await Promise.allSettled([finder.find(job?.id ?? ''), finder.find('nobody')])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await sql`alter table elsewhere rename to jobs`.execute(database.queries)
  expect(await finder.find(job?.id ?? '')).toEqual(job)
})
