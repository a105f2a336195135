import { randomUUID } from 'node:crypto'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSqlite } from '../sqlite/database.ts'
import { WorkerRegistry } from './worker-registry.ts'

const WORKER = {
  id: randomUUID(),
  served: 'cpuflex',
  asked: ['cpuflex', 'gpuflex'],
  models: ['a', 'b'],
  places: 3,
  speeds: { a: 10, b: 0.5 },
} as const

async function open() {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-workers-')))
  const database = stack.use(await openSqlite(path))
  const opened = stack.move()
  return { database, workers: new WorkerRegistry(database), [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

test('a worker is told of as it announced itself last', async () => {
  await using fixture = await open()
  const { workers } = fixture
  await workers.announce(WORKER)
  const later = { ...WORKER, models: null, places: 1, speeds: {}, asked: ['gpuflex'], served: 'gpuflex' } as const
  const other = { ...WORKER, id: randomUUID() }
  await workers.announce(other)
  await workers.announce(later)
  const list = await workers.list()
  expect(list).toHaveLength(2)
  expect(list).toContainEqual(later)
  expect(list).toContainEqual(other)
})

test('one that withdraws leaves the others', async () => {
  await using fixture = await open()
  const { workers } = fixture
  const other = { ...WORKER, id: randomUUID() }
  await workers.announce(WORKER)
  await workers.announce(other)
  await workers.withdraw(WORKER.id)
  expect(await workers.list()).toEqual([other])
})

test.each([
  ['tiers that are not known here', { asked_tiers: '["cpuflex","npuflex",7]' }, { asked: ['cpuflex'] }],
  ['tiers in no list', { asked_tiers: '{"0":"cpuflex"}' }, { asked: [] }],
  ['models that are no names', { models: '["a",7,null]' }, { models: ['a'] }],
  ['models in no list', { models: '"a"' }, { models: [] }],
  ['speeds that are no numbers', { speeds: '{"a":10,"b":"fast","c":{"on":"cpu"}}' }, { speeds: { a: 10 } }],
  ['speeds by no names', { speeds: '7' }, { speeds: {} }],
  ['speeds that are null', { speeds: 'null' }, { speeds: {} }],
])('of what another version of the program says, what is understood counts: %s', async (_what, written, read) => {
  await using fixture = await open()
  const { database, workers } = fixture
  await workers.announce(WORKER)
  await database.queries.updateTable('workers').set(written).execute()
  expect(await workers.list()).toEqual([{ ...WORKER, ...read }])
})
