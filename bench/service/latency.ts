import { KEY } from '../../test/support/cluster.ts'
import { Client } from '../../test/support/client.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { quantile, row } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'
import { withPostgres } from './shared.ts'

const JOBS = 200

/** From before the submit to when a worker that has nothing else to do has taken the job. */
export async function* latency(): AsyncGenerator<ServiceRow> {
  {
    await using folder = await temporaryFolder()
    await using server = await Server.start({ dataDir: folder.path })
    yield* latencyOf(server, server.newKey ?? '', 'embedded')
  }
  yield* withPostgres(async function* (environment) {
    await using folder = await temporaryFolder()
    await using worker = await Server.start({ role: 'worker', dataDir: folder.path, environment })
    await using server = await Server.start({ role: 'api', dataDir: folder.path, environment })
    void worker
    yield* latencyOf(server, KEY, 'PostgreSQL, API and worker apart')
  })
}

async function* latencyOf(server: Server, key: string, on: string): AsyncGenerator<ServiceRow> {
  const client = new Client(server.url, key)
  const url = await client.upload(fixture('en-short.wav'))
  await client.finish((await client.submit(url)).id)
  const times: number[] = []
  for (let n = 0; n < JOBS; n++) {
    const before = performance.timeOrigin + performance.now()
    const { id } = await client.submit(url, { input: { beam_size: 1 } })
    const { startedAt } = await client.finish(id)
    times.push(Date.parse(startedAt ?? '') - before)
  }
  const of = { on, ceiling: null, unit: 'ms' }
  yield row({ ...of, what: 'submit → processing, idle, median', ours: quantile(times, 0.5), goal: '≤ 5' })
  yield row({ ...of, what: 'submit → processing, idle, 99 %', ours: quantile(times, 0.99), goal: '≤ 30' })
}
