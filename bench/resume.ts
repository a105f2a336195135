import { basename, resolve } from 'node:path'
import { cpus } from 'node:os'
import process from 'node:process'
import { openSqlite } from '../src/jobs/sqlite/database.ts'
import { EVERY_TIER, newJob } from '../src/jobs/new-job.fixture.ts'
import { SqlJobStore } from '../src/jobs/sql/sql-store.ts'
import { Client } from '../test/support/client.ts'
import { PROJECT, Server, temporaryFolder } from '../test/support/server.ts'
import { untilWindows, windowsOf } from '../test/support/window-log.ts'

/**
 * What a kill -9 of the server costs when half of a recording is transcribed, and what it costs to be ready for it: recordings through
 * the Async API of the real program, undisturbed and killed in turns, as JSON lines and a table of medians.
 *
 *     npm run bench -- resume [recording…]
 */
const ROUNDS = 3
const DEFAULT_RECORDINGS = [resolve(PROJECT, '../shared/audio/en-hour.mp3')]
const KEY = 'a-key-that-every-start-is-given'

interface Row {
  readonly recording: string
  readonly windows: number
  /** From the submit to the result. */
  readonly undisturbedSeconds: number
  readonly killedSeconds: number
  /** From the kill until the next window is finished: more steady than the difference, which is that of two long runs. */
  readonly lostSeconds: number
  /** Of these, until the next server listens, and from there, while it reads the recording again. */
  readonly restartSeconds: number
  readonly firstWindowSeconds: number
  readonly windowsRepeated: number
  /** Of all windows, as they are kept. */
  readonly keptKb: number
  /** In the database, on the same disk, one after the other, and the part of the undisturbed time that it is. */
  readonly keepMs: number
  readonly keepPercent: number
}

const secondsSince = (startMs: number): number => (performance.now() - startMs) / 1000

async function start(dataDir: string): Promise<{ server: Server; client: Client }> {
  const server = await Server.start({ dataDir, environment: { SOTTO_API_KEY: KEY, SOTTO_LOG_LEVEL: 'debug' } })
  return { server, client: new Client(server.url, KEY) }
}

interface Run {
  readonly seconds: number
  readonly text: string
  readonly windows: number
}

async function undisturbed(recording: string): Promise<Run> {
  await using folder = await temporaryFolder()
  const { server, client } = await start(folder.path)
  await using _ = server
  const url = await client.upload(recording)
  const startMs = performance.now()
  const { id } = await client.submit(url, { input: { language: 'en' } })
  const { result } = await client.finish(id)
  return { seconds: secondsSince(startMs), text: result?.text ?? '', windows: windowsOf(server, id).length }
}

interface KilledRun extends Run {
  readonly restartSeconds: number
  readonly firstWindowSeconds: number
  /** What was kept when it was killed. */
  readonly kept: readonly string[]
}

async function killed(recording: string, atWindow: number): Promise<KilledRun> {
  await using folder = await temporaryFolder()
  const first = await start(folder.path)
  const url = await first.client.upload(recording)
  const startMs = performance.now()
  const { id } = await first.client.submit(url, { input: { language: 'en' } })
  await untilWindows(first.server, id, atWindow)
  await first.server.end('SIGKILL')
  const killMs = performance.now()
  // A moment between two servers, when nobody else has the database open.
  const kept = await keptIn(folder.path, id)
  const readSeconds = secondsSince(killMs)

  const second = await start(folder.path)
  await using _ = second.server
  const restartSeconds = secondsSince(killMs) - readSeconds
  await untilWindows(second.server, id, 1)
  const firstWindowSeconds = secondsSince(killMs) - readSeconds - restartSeconds
  const { result } = await second.client.finish(id)
  return {
    seconds: secondsSince(startMs) - readSeconds,
    text: result?.text ?? '',
    windows: windowsOf(first.server, id).length + windowsOf(second.server, id).length,
    ...{ restartSeconds, firstWindowSeconds, kept },
  }
}

async function keptIn(folder: string, id: string): Promise<readonly string[]> {
  await using database = await openSqlite(folder)
  return await new SqlJobStore(database).windows(id)
}

/** Keeps these windows in a database of its own; says milliseconds. */
async function keep(windows: readonly string[]): Promise<number> {
  await using folder = await temporaryFolder()
  await using database = await openSqlite(folder.path)
  const jobs = new SqlJobStore(database)
  await jobs.submit(newJob())
  const [claimed] = await jobs.claim({ ...EVERY_TIER, leaseMs: 600_000 })
  if (claimed === undefined) throw new Error('there is nothing to claim')
  const startMs = performance.now()
  for (const [ordinal, data] of windows.entries())
    await jobs.keepWindow(claimed.lease, ordinal, data, 30 * (ordinal + 1))
  return performance.now() - startMs
}

async function measure(recording: string): Promise<Row> {
  const whole = await undisturbed(recording)
  const broken = await killed(recording, Math.floor(whole.windows / 2))
  if (broken.text !== whole.text || whole.text === '') throw new Error(`${recording}: the texts differ`)
  const share = whole.windows / broken.kept.length
  const keepMs = (await keep(broken.kept)) * share
  return {
    recording: basename(recording),
    windows: whole.windows,
    undisturbedSeconds: whole.seconds,
    killedSeconds: broken.seconds,
    lostSeconds: broken.restartSeconds + broken.firstWindowSeconds,
    restartSeconds: broken.restartSeconds,
    firstWindowSeconds: broken.firstWindowSeconds,
    windowsRepeated: broken.windows - whole.windows,
    keptKb: (broken.kept.join('').length / 1000) * share,
    keepMs,
    keepPercent: keepMs / 10 / whole.seconds,
  }
}

/** Of each number. */
function median(rows: readonly Row[]): Record<string, number | string> {
  const [first] = rows
  if (first === undefined) return {}
  const middle = (name: string): number => {
    const values = rows.map((row) => Number(row[name as keyof Row])).toSorted((one, other) => one - other)
    return Math.round(100 * (values[Math.floor(values.length / 2)] ?? Number.NaN)) / 100
  }
  return Object.fromEntries(
    Object.entries(first).map(([name, value]) => [name, typeof value === 'number' ? middle(name) : value]),
  )
}

export async function run(recordings: readonly string[]): Promise<void> {
  const [cpu] = cpus()
  console.log(JSON.stringify({ cpu: cpu?.model, cores: cpus().length, node: process.version }))
  const medians: Record<string, number | string>[] = []
  for (const recording of recordings.length > 0 ? recordings : DEFAULT_RECORDINGS) {
    const rows: Row[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const row = await measure(recording)
      console.log(JSON.stringify(row))
      rows.push(row)
    }
    medians.push(median(rows))
  }
  console.table(medians)
}
