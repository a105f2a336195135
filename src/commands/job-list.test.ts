import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { runCommandLine } from '../command-line.ts'
import { newJob } from '../jobs/new-job.fixture.ts'
import { SqlJobStore } from '../jobs/sql/sql-store.ts'
import { openSqlite } from '../jobs/sqlite/database.ts'

let stack: AsyncDisposableStack
let folder: string
const ids: Record<string, string> = {}

beforeAll(async () => {
  stack = new AsyncDisposableStack()
  folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-command-'))).path
  await using database = await openSqlite(folder)
  const store = new SqlJobStore(database)
  const submit = async (called: string, given: Parameters<typeof newJob>[0]): Promise<void> => {
    const { job } = await store.submit(newJob(given))
    ids[called] = job.id
  }
  await submit('first', { name: 'Talk 1.mp3', metadata: { customer: 'a=b' } })
  await submit('tiny', { model: 'openai/whisper-tiny', keyId: 'key-2', metadata: { customer: 'a=b', batch: '7' } })
  await submit('last', { name: 'Walk 2.mp3' })
  await store.cancel(ids['last'] ?? '')
})

afterAll(() => stack.disposeAsync())

afterEach(() => vi.restoreAllMocks())

/** The lines that a command prints. */
async function lines(...args: readonly string[]): Promise<readonly string[]> {
  const said: string[] = []
  vi.spyOn(console, 'log').mockImplementation((line) => void said.push(String(line)))
  const { signal } = new AbortController()
  const argv = ['node', 'sotto', ...args, '--data-dir', folder]
  expect(await runCommandLine(argv, {}, { signal, hurry: signal })).toBe(0)
  return said
}

async function listed(...args: readonly string[]): Promise<readonly string[]> {
  const found = await lines('jobs', 'list', ...args)
  return found.map((line) => Object.entries(ids).find(([, id]) => line.startsWith(id))?.[0] ?? line)
}

test.each([
  [[], ['last', 'tiny', 'first']],
  [
    ['--oldest', '--limit', '2'],
    ['first', 'tiny'],
  ],
  [['--status', 'cancelled', 'failed'], ['last']],
  [['--model', 'openai/whisper-tiny'], ['tiny']],
  [['--name', 'TALK'], ['first']],
  [
    ['--metadata', 'customer=a=b'],
    ['tiny', 'first'],
  ],
  [['--metadata', 'customer=a=b', 'batch=7'], ['tiny']],
  [['--key', 'key-2'], ['tiny']],
  [
    ['--since', '2d'],
    ['last', 'tiny', 'first'],
  ],
  [['--until', '2026-01-31'], []],
])('sotto jobs list %j', async (args, expected) => {
  expect(await listed(...args)).toEqual(expected)
})

test('a line says what the job is called', async () => {
  expect((await lines('jobs', 'list', '--limit', '1'))[0]).toMatch(/cancelled .* sotto\/whisper-demo {2}Walk 2\.mp3$/)
})

test.each([
  ['--since', 'yesterday'],
  ['--limit', '0'],
  ['--metadata', 'customer'],
  ['--status', 'done'],
])('%s %s is refused by name', async (flag, value) => {
  const said: string[] = []
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0)
  const { signal } = new AbortController()
  expect(await runCommandLine(['node', 'sotto', 'jobs', 'list', flag, value], {}, { signal, hurry: signal })).toBe(2)
  expect(said.join('')).toContain(flag)
})

test('sotto usage tells of all keys', async () => {
  expect(await lines('usage')).toEqual([
    expect.stringMatching(/^\d{4}-\d\d-\d\d {2}sotto\/whisper-demo {2}1 job, 0 s of audio, 0 s of runs, 1 cancelled$/),
  ])
  expect(JSON.parse((await lines('usage', '--by', 'key', '--json'))[0] ?? '')).toMatchObject({
    keyId: 'key-1',
    jobs: 1,
  })
  expect(await lines('usage', '--key', 'key-2')).toEqual([])
})
