import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { openPostgres } from '../../src/jobs/postgres/connection.ts'
import { Cluster, KEY } from '../support/cluster.ts'
import { choose, randomOf } from '../support/random.ts'
import { temporaryFolder } from '../support/server.ts'
import { UnreliableProxy } from '../support/unreliable-proxy.ts'
import type { Weather } from '../support/unreliable-proxy.ts'
import { Campaign } from './campaign.ts'
import { countsOf } from './disturbance.ts'
import type { Disturbance } from './disturbance.ts'
import { isInstallations, settled, temporaryFilesIn } from './left-over.ts'
import type { ChaosOptions, ChaosReport } from './report.ts'
import { Supervised } from './supervised.ts'
import { unexpectedErrors } from './log-faults.ts'
import { WebhookReceiver } from './webhook-receiver.ts'

/** Two API servers and two workers on one PostgreSQL and one S3, each behind a network that gets worse now and then. */
export async function clusterChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seconds, seed } = options
  const random = randomOf(seed)
  await using stack = new AsyncDisposableStack()
  const cluster = stack.use(await Cluster.start({ fsync: true }))
  const databaseNet = stack.use(await proxyTo(cluster.databaseUrl))
  const s3Net = stack.use(await proxyTo(cluster.s3.url))
  const environment = {
    ...cluster.environment,
    SOTTO_FETCH_ALLOW: '127.0.0.1',
    DATABASE_URL: databaseNet.through(cluster.databaseUrl),
    AWS_ENDPOINT_URL_S3: s3Net.through(cluster.s3.url).replace(/\/$/, ''),
  }
  const receiver = stack.use(await WebhookReceiver.start(random))
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

  const campaign = await Campaign.start({ baseUrl, key: KEY, random, receiver })
  const { verdict, occurrences } = await campaign.run(disturbances, options)
  const surplus = await surplusJobs(cluster.databaseUrl, verdict.acknowledged)
  await campaign.clear()
  const leftOver = await settled(() =>
    cluster.s3.contents.filter((name) => !isInstallations(name) && !campaign.isGivenUp(name)),
  )
  for (const each of all) await each.end()
  return {
    setup: 'PostgreSQL and S3',
    ...{ seed, seconds, ...verdict },
    losses: [...verdict.losses, ...surplus],
    disturbances: countsOf(occurrences),
    leftOver: [...leftOver, ...(await temporaryFilesIn(folders))],
    unexpectedErrors: all.flatMap(({ log }) => unexpectedErrors(log, occurrences)),
  }
}

async function proxyTo(url: string): Promise<UnreliableProxy> {
  const { hostname: host, port } = new URL(url)
  return await UnreliableProxy.start({ host, port: Number(port) })
}

/** A submit that was answered late or not at all must not have made a second job. */
async function surplusJobs(url: string, acknowledged: number): Promise<readonly string[]> {
  await using database = await openPostgres(url)
  const { rows } = await sql<{ count: number }>`select count(*) as count from jobs`.execute(database)
  const count = rows[0]?.count ?? 0
  return count === acknowledged ? [] : [`${count} jobs are there, ${acknowledged} were acknowledged`]
}
