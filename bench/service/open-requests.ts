import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { KEY } from '../../test/support/cluster.ts'
import { Client } from '../../test/support/client.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { row } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'
import { withPostgres } from './shared.ts'

const REQUESTS = 1000
const JOBS = 50
/** How long they are open while nothing happens. */
const IDLE_SECONDS = 10
/** Linux counts a process's time in these. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

/** 1,000 event streams of jobs that wait. */
export async function* streams(): AsyncGenerator<ServiceRow> {
  yield* onBoth({ what: 'open streams', path: (id) => `/v1/async/requests/${id}/events`, isAnswered: true })
}

/** 1,000 polls that wait for such jobs. */
export async function* waits(): AsyncGenerator<ServiceRow> {
  yield* onBoth({ what: 'waiting polls', path: (id) => `/v1/async/requests/${id}?wait=60`, isAnswered: false })
}

interface Kind {
  readonly what: string
  readonly path: (id: string) => string
  /** Whether an answer begins before it is over. */
  readonly isAnswered: boolean
}

async function* onBoth(kind: Kind): AsyncGenerator<ServiceRow> {
  {
    await using folder = await temporaryFolder()
    await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_TIERS: 'gpuflex' } })
    yield* open(kind, server, new Client(server.url, server.newKey ?? ''), 'embedded')
  }
  yield* withPostgres(async function* (environment) {
    await using folder = await temporaryFolder()
    await using server = await Server.start({ role: 'api', dataDir: folder.path, environment })
    yield* open(kind, server, new Client(server.url, KEY), 'PostgreSQL')
  })
}

async function* open(kind: Kind, server: Server, client: Client, on: string): AsyncGenerator<ServiceRow> {
  const recording = await client.upload(fixture('en-short.wav'))
  const jobs = await Promise.all(Array.from({ length: JOBS }, async () => (await client.submit(recording)).id))
  await Promise.all(jobs.map((id) => client.poll(id)))
  const idle = await usedOver(server, IDLE_SECONDS)
  const before = await residentBytes(server)
  const requests = Array.from({ length: REQUESTS }, (_, n) => {
    const path = kind.path(jobs[n % JOBS] ?? '')
    return get(new URL(path, client.base), { headers: client.authorization, agent: false })
  })
  const answers = requests.map(async (request) => (await once(request, 'response')) as [IncomingMessage])
  const ends = answers.map(async (answer) => {
    const [response] = await answer
    await once(response.resume(), 'end')
  })
  if (kind.isAnswered) await Promise.all(answers)
  else await Promise.all(requests.map((request) => once(request, 'finish')))
  await delay(2000)
  const used = await usedOver(server, IDLE_SECONDS)
  const kilobytes = ((await residentBytes(server)) - before) / 1000 / REQUESTS
  const of = { on, ceiling: null }
  yield row({ ...of, what: `1,000 ${kind.what}: memory each`, ours: kilobytes, unit: 'kB', goal: '≤ 100' })
  const share = 100 * Math.max(0, used - idle)
  yield row({
    ...of,
    what: `1,000 ${kind.what}: processor while nothing happens`,
    ours: share,
    unit: '% of a core',
    goal: '≤ 10',
  })
  const begunMs = performance.now()
  for (const id of jobs) await client.fetch(`/v1/async/requests/${id}/cancel`, { method: 'POST' })
  await Promise.all(ends)
  const passedMs = performance.now() - begunMs
  yield row({
    ...of,
    what: `1,000 ${kind.what}: from the first of ${JOBS} changes to the last reader`,
    ours: passedMs,
    unit: 'ms',
    goal: '≤ 2000',
  })
}

/** Seconds of processor that a second takes. */
async function usedOver(server: Server, seconds: number): Promise<number> {
  const before = await processorSeconds(server)
  await delay(seconds * 1000)
  return ((await processorSeconds(server)) - before) / seconds
}

async function processorSeconds({ pid }: Server): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // Behind the name, which may hold blanks: user and system time are the 12th and 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

async function residentBytes({ pid }: Server): Promise<number> {
  const [, resident = '0'] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')
  return Number(resident) * PAGE_BYTES
}
