import { copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { randomOf } from '../support/random.ts'
import { temporaryFolder } from '../support/server.ts'
import { Campaign } from './campaign.ts'
import { objectsIn } from './left-over.ts'
import type { ChaosOptions, ChaosReport } from './report.ts'
import { Supervised } from './supervised.ts'

const KEY = 'a-key-that-every-start-is-given'
const DATABASE = /^sotto\.db(?:-wal)?$/
const SAYS_IT = 'the jobs database and the payload store do not fit'

/**
 * One server with everything embedded whose database is lost and restored from a backup: jobs of before the backup are all there, the
 * recordings and results of those that came after it stay, the server says that something is wrong, and new jobs run.
 */
export async function restoredChaos(options: ChaosOptions): Promise<ChaosReport> {
  const random = randomOf(options.seed)
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await temporaryFolder())
  const [dataDir, backup] = [join(path, 'data'), join(path, 'backup')]
  for (const folder of [dataDir, backup]) await mkdir(folder)
  const server = stack.use(await Supervised.start({ dataDir, environment: { SOTTO_API_KEY: KEY } }))
  const given = { baseUrl: () => server.server?.url, key: KEY, random }
  const phase = { ...options, seconds: options.seconds / 3 }

  const before = await Campaign.start(given)
  const { verdict } = await before.run([], phase)
  await server.restart('SIGTERM', () => copyDatabase(dataDir, backup))
  const after = await Campaign.start(given)
  const { verdict: newer } = await after.run([], phase)
  const payloads = await objectsIn(dataDir)
  await server.restart('SIGTERM', () => copyDatabase(backup, dataDir))

  const again = await before.judge()
  const last = await Campaign.start(given)
  const { verdict: latest } = await last.run([], phase)
  const remaining = new Set(await objectsIn(dataDir))
  const gone = payloads.filter((key) => !remaining.has(key))
  for (const campaign of [before, last]) await campaign.clear()
  await server.end()
  const log = server.log.map(({ text }) => text)
  return {
    setup: 'embedded, its database restored from a backup',
    seed: options.seed,
    seconds: options.seconds,
    ...latest,
    acknowledged: verdict.acknowledged + newer.acknowledged + latest.acknowledged,
    losses: [
      ...[verdict, newer, again, latest].flatMap(({ losses }) => losses),
      ...gone.map((key) => `${key} was removed, though it is newer than the backup`),
      ...(log.some((line) => line.includes(SAYS_IT))
        ? []
        : ['the server did not say that its database is older than what is stored']),
    ],
    disturbances: { 'an older database': 1 },
    leftOver: [],
    unexpectedErrors: [],
  }
}

/** The database is closed. */
async function copyDatabase(from: string, to: string): Promise<void> {
  for (const name of (await readdir(to)).filter((each) => DATABASE.test(each))) await rm(join(to, name))
  for (const name of (await readdir(from)).filter((each) => DATABASE.test(each)))
    await copyFile(join(from, name), join(to, name))
}
