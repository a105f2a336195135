import { randomUUID } from 'node:crypto'
import { Client } from '../test/support/client.ts'
import { fixture } from '../test/support/clips.ts'
import { Cluster, KEY as CLUSTER_KEY } from '../test/support/cluster.ts'
import { Server, temporaryFolder } from '../test/support/server.ts'

/** A running Sotto to be fuzzed: what answers, its key, and all processes of its. */
export interface Installation extends AsyncDisposable {
  readonly name: string
  /** What answers HTTP. */
  readonly server: Server
  readonly processes: readonly Server[]
  readonly client: Client
  readonly key: string
}

/** So that jobs that wait don't outlive the fuzzing, a busy synchronous request ends, and every route is reached. */
const SETTINGS = {
  ...{ SOTTO_MAX_QUEUED_JOBS: '30', SOTTO_SYNC_TIMEOUT: '30', SOTTO_OPENAI_TIMEOUT: '30' },
  SOTTO_API_KEY_SCOPES: 'admin',
}

/** `sotto serve` with everything embedded. */
export async function embedded(environment: Readonly<Record<string, string>> = {}): Promise<Installation> {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await temporaryFolder())
  const key = `a-key-for-the-fuzzer-${randomUUID()}`
  const server = stack.use(
    await Server.start({ dataDir: folder.path, environment: { ...SETTINGS, SOTTO_API_KEY: key, ...environment } }),
  )
  return of('SQLite and a folder', { key, server, processes: [server], stack: stack.move() })
}

/** An API server and a worker on PostgreSQL and S3. */
export async function onCluster(): Promise<Installation> {
  await using stack = new AsyncDisposableStack()
  const cluster = stack.use(await Cluster.start())
  const server = await cluster.process('api', { environment: SETTINGS })
  const worker = await cluster.process('worker')
  return of('PostgreSQL and S3', { key: CLUSTER_KEY, server, processes: [server, worker], stack: stack.move() })
}

/** One job to its end, so that engine and code are loaded when growth is measured from. */
export async function warmUp({ client }: Installation): Promise<void> {
  await client.transcribe(fixture('en-short.wav'))
}

function of(
  name: string,
  {
    key,
    server,
    processes,
    stack,
  }: Pick<Installation, 'key' | 'server' | 'processes'> & { readonly stack: AsyncDisposableStack },
): Installation {
  const client = new Client(server.url, key)
  return { name, key, server, processes, client, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
