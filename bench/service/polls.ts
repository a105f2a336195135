import { KEY } from '../../test/support/cluster.ts'
import { Client } from '../../test/support/client.ts'
import { fixture } from '../../test/support/clips.ts'
import { Server, temporaryFolder } from '../../test/support/server.ts'
import { answersPerSecond, row, startChild } from './measurement.ts'
import type { ServiceRow } from './measurement.ts'
import { withPostgres } from './shared.ts'

/** Polls of a finished job, with its result, and of one that waits. */
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
  const done = await client.transcribe(fixture('en-short.wav'), { serviceTier: 'gpuflex' })
  // No worker takes it.
  const waiting = await client.submit(await client.upload(fixture('en-short.wav')), { serviceTier: 'cpuflex' })
  const cases = [
    { what: 'polls of a finished job', body: await client.poll(done.id) },
    { what: 'polls of an unfinished job', body: await client.poll(waiting.id) },
  ]
  for (const { what, body } of cases) {
    await using constant = await startChild('constant.child.ts', JSON.stringify(body))
    const ceiling = await answersPerSecond({ url: constant.url })
    const ours = await answersPerSecond({ url: `${server.url}/v1/async/requests/${body.id}`, headers })
    yield row({ what, on, ours, ceiling, unit: 'a second; a constant route', goal: '≥ 0.6' })
  }
}
