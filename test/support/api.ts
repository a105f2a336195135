import { Writable } from 'node:stream'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import { apiSettings } from '../../src/api-settings.ts'
import { ApiKeys } from '../../src/api/authentication/api-keys.ts'
import type { ApiParts } from '../../src/api/context.ts'
import { Recordings } from '../../src/api/uploads/recordings.ts'
import { REQUEST_LIMITS } from '../../src/api/http/request-limits.ts'
import type { RequestLimits } from '../../src/api/http/request-limits.ts'
import { Results } from '../../src/api/jobs/results.ts'
import { buildApi } from '../../src/api/server.ts'
import { UploadRoom } from '../../src/api/uploads/upload-room.ts'
import { OutboundGuard } from '../../src/outbound/guard.ts'
import { openBackend } from '../../src/backend.ts'
import type { Backend } from '../../src/backend.ts'
import { loadConfig } from '../../src/config/config.ts'
import { NO_TRACER } from '../../src/contract/tracing.ts'
import { QueueView } from '../../src/jobs/queue/queue-view.ts'
import { UnsubmittedUploads } from '../../src/jobs/keeping/unsubmitted-uploads.ts'
import { readUsage } from '../../src/jobs/usage/usage.ts'
import { WorkerRegistry } from '../../src/jobs/queue/worker-registry.ts'
import { familyOf, loadFamilies } from '../../src/models/index.ts'
import { createCatalogue } from '../../src/models/catalogue.ts'
import { OutboundClient } from '../../src/outbound/client.ts'
import { HeaderProbe } from '../../src/probe/header-probe.ts'
import { processMetrics } from '../../src/process-metrics.ts'
import { Webhooks } from '../../src/webhooks/webhooks.ts'
import { Client } from './client.ts'
import { temporaryFolder } from './server.ts'

export interface ApiOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly limits?: Partial<RequestLimits>
  /** In the place of what the API has of its own. */
  readonly parts?: (backend: Backend) => Partial<ApiParts>
  /** Adds routes, before it listens. */
  readonly extend?: (api: FastifyInstance) => void
}

/** The API by itself in this process, on a folder of its own, without a worker: its jobs wait. */
export interface RunningApi extends AsyncDisposable {
  readonly api: FastifyInstance
  readonly backend: Backend
  readonly client: Client
  readonly key: string
  readonly url: string
  readonly port: number
  readonly dataDir: string
  /** The lines of the log. */
  readonly log: readonly Readonly<Record<string, unknown>>[]
  /** Opens a connection and sends this; what comes back is gathered. */
  send(text: string): RawConnection
}

export async function startApi({ environment = {}, limits = {}, parts, extend }: ApiOptions = {}): Promise<RunningApi> {
  await using stack = new AsyncDisposableStack()
  const dataDir = stack.use(await temporaryFolder()).path
  const config = loadConfig({ SOTTO_DATA_DIR: dataDir, ...environment }, {})
  const log: Record<string, unknown>[] = []
  const logger = pino({ level: 'debug' }, lines(log))
  const backend = stack.use(
    await openBackend(config, { temporaryFolder: dataDir, logger, signal: new AbortController().signal }),
  )
  const { database, jobs, payloads, signingSecret } = backend
  const apiKeys = new ApiKeys(database)
  const probe = stack.use(new HeaderProbe({ logger }))
  const { secret: key } = await apiKeys.create('test')
  const registry = new WorkerRegistry(database)
  const guard = new OutboundGuard({ allow: config.server.fetchAllow })
  const api = await buildApi(
    {
      ...{ jobs, payloads, apiKeys, signingSecret, logger },
      catalogue: createCatalogue(config.hub.models),
      families: await loadFamilies(),
      familyOf: (model) => familyOf(model, () => Promise.resolve(undefined)),
      queue: new QueueView(database, registry),
      usage: (asked) => readUsage(database, asked),
      workers: registry,
      recordings: new Recordings(payloads, probe),
      results: new Results(payloads),
      guard,
      models: { isPresent: () => Promise.resolve(true) },
      checkWorker: null,
      servesGpuTier: () => Promise.resolve(true),
      clearGarbage: () => undefined,
      webhooks: new Webhooks({ database, guard, client: stack.use(new OutboundClient({ guard })) }),
      uploads: new UploadRoom(new UnsubmittedUploads(database), config.payloads),
      draining: new AbortController().signal,
      tracer: NO_TRACER,
      metrics: processMetrics(),
      settings: apiSettings(config),
      ...parts?.(backend),
    },
    { ...REQUEST_LIMITS, ...limits },
  )
  extend?.(api)
  stack.defer(async () => {
    api.server.closeAllConnections()
    await api.close()
  })
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  const { port } = api.server.address() as AddressInfo
  const started = stack.move()
  return {
    ...{ api, backend, client: new Client(url, key), key, url, port, dataDir, log },
    send: (text) => started.use(new RawConnection(port, text)),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** A connection that sends what it likes. */
export class RawConnection implements Disposable {
  readonly socket: Socket
  /** All that the server has sent, once it has ended the connection, be it by a reset. */
  readonly ended: Promise<string>
  #received = ''

  constructor(port: number, text: string) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const { promise, resolve } = Promise.withResolvers<string>()
    this.ended = promise
    this.socket.setEncoding('latin1')
    this.socket.on('data', (chunk: string) => {
      this.#received += chunk
    })
    this.socket.on('error', () => undefined)
    for (const event of ['end', 'close'] as const) this.socket.on(event, () => resolve(this.#received))
    this.socket.write(text)
  }

  get received(): string {
    return this.#received
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** The body of an answer that was received as text. */
export function bodyOf(answer: string): unknown {
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  return JSON.parse(body)
}

function lines(log: Record<string, unknown>[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, written) {
      log.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
      written()
    },
  })
}
