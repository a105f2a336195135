import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { openPostgres } from '../../src/jobs/postgres/connection.ts'
import { fixture } from '../support/clips.ts'
import { Cluster, KEY } from '../support/cluster.ts'
import { temporaryFolder } from '../support/server.ts'
import { UnreliableProxy } from '../support/unreliable-proxy.ts'
import type { Weather } from '../support/unreliable-proxy.ts'
import { ChaosClient } from './clients.ts'
import { choose, disturb, randomOf } from './disturbance.ts'
import type { Disturbance } from './disturbance.ts'
import type { ChaosOptions, ChaosReport } from './report.ts'
import { Supervised } from './supervised.ts'
import { judge, unexpectedErrors } from './verdict.ts'

export const CLIPS = ['en-short.wav', 'en-two-voices.mp3', 'es-short.ogg', 'de-short.webm', 'es-long.mp3'].map(fixture)
const SETTLE_MS = 240_000

/** Two API servers and two workers on one PostgreSQL and one S3, each behind a network that gets worse now and then. */
export async function clusterChaos({ seconds, clients, seed, pauseMs }: ChaosOptions): Promise<ChaosReport> {
  const random = randomOf(seed)
  await using stack = new AsyncDisposableStack()
  const cluster = stack.use(await Cluster.start({ fsync: true }))
  const databaseNet = stack.use(await proxyTo(cluster.databaseUrl))
  const s3Net = stack.use(await proxyTo(cluster.s3.url))
  const environment = {
    ...cluster.environment,
    DATABASE_URL: databaseNet.through(cluster.databaseUrl),
    AWS_ENDPOINT_URL_S3: s3Net.through(cluster.s3.url).replace(/\/$/, ''),
  }
  const folders: string[] = []
  const start = async (role: 'api' | 'worker'): Promise<Supervised> => {
    const { path: dataDir } = stack.use(await temporaryFolder())
    folders.push(dataDir)
    return stack.use(await Supervised.start({ role, dataDir, environment }))
  }
  const apis = [await start('api'), await start('api')]
  const workers = [await start('worker'), await start('worker')]
  const all = [...apis, ...workers]

  const baseUrl = (): string | undefined => {
    const there = apis.flatMap(({ server }) => (server === undefined ? [] : [server.url]))
    return there.length === 0 ? undefined : choose(there, random)
  }
  const newClient = (): ChaosClient => new ChaosClient({ baseUrl, key: KEY, clips: CLIPS, random })
  const watcher = newClient()
  const texts = await undisturbedTexts(newClient())

  const badWeather = async (net: UnreliableProxy): Promise<void> => {
    const weather: readonly Weather[] = [
      { kind: 'drop' },
      { kind: 'stall' },
      { kind: 'halve' },
      { kind: 'delay', ms: 200 },
    ]
    net.become(choose(weather, random))
    await delay(200 + 1500 * random())
    net.become({ kind: 'pass' })
  }
  const disturbances: readonly Disturbance[] = [
    { name: 'kill -9 of an API server', weight: 3, run: () => choose(apis, random).restart('SIGKILL') },
    { name: 'kill -9 of a worker', weight: 3, run: () => choose(workers, random).restart('SIGKILL') },
    { name: 'SIGTERM of an API server or worker', weight: 2, run: () => choose(all, random).restart('SIGTERM') },
    {
      name: 'kill -9 of an engine process',
      weight: 2,
      run: async () => void (await choose(workers, random).killEngine()),
    },
    {
      name: 'kill -9 of PostgreSQL',
      weight: 1,
      run: async () => {
        await cluster.postgres.kill()
        await cluster.postgres.restart()
      },
    },
    { name: 'bad network to PostgreSQL', weight: 3, run: () => badWeather(databaseNet) },
    { name: 'bad network to S3', weight: 3, run: () => badWeather(s3Net) },
  ]

  const stop = AbortSignal.timeout(seconds * 1000)
  const users = Array.from({ length: clients }, newClient)
  const [counts] = await Promise.all([
    disturb(disturbances, { pauseMs, random, signal: stop }),
    ...users.map((user) => user.run(stop)),
  ])
  const jobs = users.flatMap((user) => user.jobs)
  const verdict = await judge(watcher, jobs, texts, SETTLE_MS)
  const surplus = await surplusJobs(cluster.databaseUrl, jobs.length)
  for (const { id } of jobs) await watcher.remove(id)
  const leftOver = await settled(() => cluster.s3.contents)
  for (const each of all) await each.end()
  return {
    setup: 'PostgreSQL and S3',
    ...{ seed, seconds, ...verdict },
    losses: [...verdict.losses, ...surplus],
    disturbances: Object.fromEntries(counts),
    leftOver: [...leftOver, ...(await temporaryFilesIn(folders))],
    unexpectedErrors: all.flatMap(({ output }) => unexpectedErrors(output)),
  }
}

async function proxyTo(url: string): Promise<UnreliableProxy> {
  const { hostname: host, port } = new URL(url)
  return await UnreliableProxy.start({ host, port: Number(port) })
}

/** What each clip says, while nothing goes wrong. */
export async function undisturbedTexts(client: ChaosClient): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>()
  for (const clip of CLIPS) {
    const { id } = await client.send(clip)
    for (;;) {
      const { status, result } = await client.poll(id)
      if (status === 'success') {
        texts.set(clip, result?.text ?? '')
        break
      }
      if (status === 'failed') throw new Error(`${clip} failed without any disturbance`)
      await delay(50)
    }
    await client.remove(id)
  }
  return texts
}

/** A submit that was answered late or not at all must not have made a second job. */
async function surplusJobs(url: string, acknowledged: number): Promise<readonly string[]> {
  await using database = await openPostgres(url)
  const { rows } = await sql<{ count: number }>`select count(*) as count from jobs`.execute(database)
  const count = rows[0]?.count ?? 0
  return count === acknowledged ? [] : [`${count} jobs are there, ${acknowledged} were acknowledged`]
}

/** What stays for more than a minute, in which removals that failed are done again. */
export async function settled(look: () => readonly string[] | Promise<readonly string[]>): Promise<readonly string[]> {
  const endMs = performance.now() + 60_000
  for (let found = await look(); ; found = await look()) {
    if (found.length === 0 || performance.now() > endMs) return found
    await delay(200)
  }
}

/** Of processes that have ended. */
export async function temporaryFilesIn(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(folder, 'tmp'), { recursive: true })
      return names.map((name) => join('tmp', name))
    }),
  )
  return found.flat()
}
