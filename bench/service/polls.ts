import { KEY } from '../../test/support/cluster.ts'
import { Client } from '../../test/support/client.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { answersPerSecond, row, startChild } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'
import { withPostgres } from './shared.ts'

const JOBS = 50

/** Polls of finished jobs, with their results, and of jobs that wait: each connection asks for one after the other. */
export async function* polls(): AsyncGenerator<ServiceRow> {
  {
    await using folder = await temporaryFolder()
    await using server = await Server.start({ dataDir: folder.path, environment: { SOTTO_TIERS: 'gpuflex' } })
    yield* pollsOf(server, server.newKey ?? '', 'embedded')
  }
  yield* withPostgres(async function* (environment) {
    await using folder = await temporaryFolder()
    await using worker = await Server.start({
      role: 'worker',
      dataDir: folder.path,
      environment: { ...environment, SOTTO_TIERS: 'gpuflex' },
    })
    await using server = await Server.start({ role: 'api', dataDir: folder.path, environment })
    void worker
    yield* pollsOf(server, KEY, 'PostgreSQL')
  })
}

async function* pollsOf(server: Server, key: string, on: string): AsyncGenerator<ServiceRow> {
  const client = new Client(server.url, key)
  const headers = { authorization: `Bearer ${key}` }
  const recording = await client.upload(fixture('en-short.wav'))
  const submitted = async (serviceTier: 'cpuflex' | 'gpuflex'): Promise<readonly string[]> => {
    const jobs = Array.from({ length: JOBS }, () => client.submit(recording, { serviceTier }))
    return (await Promise.all(jobs)).map(({ id }) => id)
  }
  const done = await submitted('gpuflex')
  await Promise.all(done.map((id) => client.finish(id)))
  // No worker takes these.
  const waiting = await submitted('cpuflex')
  const cases = [
    { what: 'polls of finished jobs', ids: done },
    { what: 'polls of unfinished jobs', ids: waiting },
  ]
  for (const { what, ids } of cases) {
    const body = await client.poll(ids[0] ?? '')
    await using constant = await startChild('constant.child.ts', JSON.stringify(body))
    const paths = ids.map((id) => `/v1/async/requests/${id}`)
    const [ours, ceiling] = await answersPerSecond({ url: server.url, paths, headers }, { url: constant.url })
    yield row({ what, on, ours, ceiling, unit: 'a second; a constant route', goal: '≥ 0.6' })
  }
}
