import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client, jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Cluster } from '../support/cluster.ts'
import { Collector, attributesOf } from '../support/collector.ts'
import type { ReceivedSpan } from '../support/collector.ts'
import { writeJoined } from '../support/joined-clip.ts'
import { Receiver } from '../support/receiver.ts'
import { PROJECT, Server, temporaryFolder } from '../support/server.ts'

const KEY = 'a-key-that-every-start-is-given'
const SUBMIT = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
const SHORT = fixture('en-short.wav')
/** Prints which files of OpenTelemetry are loaded. */
const LOADED = { NODE_OPTIONS: `--import=${pathToFileURL(join(PROJECT, 'test/support/loaded-modules.child.ts')).href}` }

interface Served extends AsyncDisposable {
  readonly collector: Collector
  readonly receiver: Receiver
  readonly server: Server
  readonly client: Client
}

async function serve(settings: (collector: Collector) => Readonly<Record<string, string>>): Promise<Served> {
  await using stack = new AsyncDisposableStack()
  const dataDir = stack.use(await temporaryFolder()).path
  const collector = stack.use(await Collector.start())
  const receiver = stack.use(await Receiver.start())
  const environment = { SOTTO_API_KEY: KEY, SOTTO_FETCH_ALLOW: '127.0.0.1', ...LOADED, ...settings(collector) }
  const server = stack.use(await Server.start({ dataDir, environment }))
  const opened = stack.move()
  const client = new Client(server.url, KEY)
  return { collector, receiver, server, client, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** As a client sends it that traces: what its trace is, and the header. */
function traced(): { readonly traceId: string; readonly spanId: string; readonly traceparent: string } {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` }
}

async function submit(
  client: Client,
  file: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<JobBody> {
  const { body: text, headers: type } = jsonBody({ URL: await client.upload(file), input: {}, ...body })
  const init = { method: 'POST', body: text, headers: { ...type, ...headers } }
  return (await client.json<{ response: JobBody }>(202, SUBMIT, init)).response
}

function packagesLoaded({ output }: Server): readonly string[] {
  return [...output.matchAll(/^loads .*\/(@opentelemetry\/[\w-]+)\//gm)].map(([, name = '']) => name)
}

describe('with a collector', () => {
  let served: Served
  beforeAll(async () => {
    served = await serve(({ url }) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=of%20the%20collector',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=not-this-one',
      OTEL_SERVICE_NAME: 'sotto-under-test',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_METRIC_EXPORT_INTERVAL: '200',
    }))
  })
  afterAll(async () => await served[Symbol.asyncDispose]())

  /** Those of a trace, once all that are named are there. */
  async function spansOf(traceId: string, names: readonly string[]): Promise<readonly ReceivedSpan[]> {
    const found = (): readonly ReceivedSpan[] => served.collector.spans().filter((span) => span.traceId === traceId)
    await expect.poll(() => found().map(({ name }) => name)).toEqual(expect.arrayContaining([...names]))
    return found()
  }

  test('a job is one trace: its client’s, the request, the queue, the run with each window, and the webhook', async () => {
    const { client, receiver } = served
    const { traceId, spanId, traceparent } = traced()
    const webhook = { url: receiver.url('/hook?token=secret-of-the-url'), events: ['job.success'] }
    const { id } = await submit(client, SHORT, { webhook, name: 'secret-name.wav' }, { traceparent })
    const job = await client.finish(id)

    const spans = await spansOf(traceId, ['POST', 'job'])
    const [request, queue, run, decode, window, store, delivery] = [
      ...[
        `POST ${SUBMIT.replace('tiyarofs/1/sotto/whisper-demo', ':vendor/:version/:publisher/:model')}`,
        'queue',
        'job',
      ],
      ...['decode audio', 'window', 'store result', 'POST'],
    ].map((name) => spans.find((span) => span.name === name))
    expect(request).toMatchObject({ parentSpanId: spanId, kind: 2, status: 0 })
    expect(request?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/async/ent/:vendor/:version/:publisher/:model',
      'http.response.status_code': 202,
      'url.scheme': 'http',
      'sotto.job.id': id,
    })
    expect(queue).toMatchObject({ parentSpanId: request?.spanId, startMs: Date.parse(job.acceptedAt) })
    expect(run).toMatchObject({ parentSpanId: request?.spanId, kind: 5, status: 0 })
    expect(run?.attributes).toMatchObject({
      ...{ 'sotto.job.id': id, 'sotto.job.attempt': 1, 'sotto.job.model': 'sotto/whisper-demo' },
      ...{ 'sotto.job.windows': 1, 'sotto.job.outcome': 'success' },
    })
    for (const part of [decode, window, store]) expect(part).toMatchObject({ parentSpanId: run?.spanId, status: 0 })
    expect(window?.attributes['sotto.window.ordinal']).toBe(0)
    expect(window?.startMs).toBeGreaterThanOrEqual(decode?.endMs ?? Number.NaN)
    expect(window?.endMs).toBeLessThanOrEqual(store?.startMs ?? Number.NaN)
    expect(window?.endMs).toBeGreaterThan(window?.startMs ?? Number.NaN)
    expect(delivery).toMatchObject({ parentSpanId: request?.spanId, kind: 3, status: 0 })
    expect(delivery?.attributes).toMatchObject({ 'server.address': '127.0.0.1', 'sotto.webhook.event': 'job.success' })

    const [told] = receiver.at('/hook?token=secret-of-the-url')
    expect(told?.headers['traceparent']).toBe(`00-${traceId}-${delivery?.spanId}-01`)

    const all = served.collector.exports.map(({ body }) => body.toString()).join('\n')
    const text = job.result?.text ?? ''
    expect(text.length).toBeGreaterThan(20)
    for (const secret of [KEY, 'secret', '/hook', text.slice(0, 20), 'signature', '?'])
      expect(all).not.toContain(secret)
  })

  test('a recording that is fetched is fetched in the trace, before the job waits for a worker', async () => {
    const { client } = served
    await using files = createServer((_request, response) => void createReadStream(SHORT).pipe(response))
    files.listen(0, '127.0.0.1')
    await once(files, 'listening')
    const { traceId, traceparent } = traced()
    const { port } = files.address() as AddressInfo
    const url = `http://127.0.0.1:${port}/secret-path.wav?key=secret-of-the-query`
    const init = { method: 'POST', ...jsonBody({ URL: url, input: {} }) }
    const headers = { ...init.headers, traceparent }
    const { response } = await client.json<{ response: JobBody }>(202, SUBMIT, { ...init, headers })
    await client.finish(response.id)
    const spans = (await spansOf(traceId, ['fetch', 'job'])).toSorted((one, other) => one.startMs - other.startMs)
    const submitted = spans.find(({ kind }) => kind === 2)
    const below = spans.filter(({ parentSpanId }) => parentSpanId === submitted?.spanId)
    expect(below.map(({ name }) => name)).toEqual(['queue', 'fetch', 'queue', 'job'])
    expect(below[1]).toMatchObject({
      status: 0,
      attributes: { 'sotto.fetch.bytes': (await stat(SHORT)).size, 'sotto.job.outcome': 'success' },
    })
    const all = served.collector.exports.map(({ body }) => body.toString()).join('\n')
    expect(all).not.toContain('secret')
  })

  test('a job that goes on after a crash of its engine goes on in its trace', async () => {
    const { client, server } = served
    const { traceId, traceparent } = traced()
    await using folder = await temporaryFolder()
    const long = join(folder.path, 'long.wav')
    await writeJoined(long, [fixture('en-one-minute.m4a'), fixture('en-one-minute.m4a')])
    const { id } = await submit(client, long, {}, { traceparent })
    await client.waitFor(id, ({ doneSeconds }) => doneSeconds > 0)
    process.kill(await server.engine(), 'SIGKILL')
    await client.finish(id)
    await expect
      .poll(() => served.collector.spans().filter(({ traceId: of, name }) => of === traceId && name === 'job').length)
      .toBe(2)
    const spans = await spansOf(traceId, ['store result'])
    const runs = spans.filter(({ name }) => name === 'job').toSorted((one, other) => one.startMs - other.startMs)
    expect(runs.map(({ attributes }) => attributes['sotto.job.attempt'])).toEqual([1, 2])
    expect(runs[0]).toMatchObject({ status: 2, attributes: { 'error.type': 'engine.crashed' } })
    expect(runs[1]).toMatchObject({ status: 0, parentSpanId: runs[0]?.parentSpanId })
    const windows = spans.filter(({ name }) => name === 'window')
    const ordinals = windows.map(({ attributes }) => attributes['sotto.window.ordinal'])
    expect(ordinals.length).toBeGreaterThan(1)
    expect(new Set(windows.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set(runs.map(({ spanId }) => spanId)))
    expect(spans.filter(({ name }) => name === 'queue')).toHaveLength(2)
  })

  test('a request without a trace begins one, and one that its client does not trace is not sent', async () => {
    const { client, collector } = served
    const untraced = traced()
    await client.fetch('/v1/models', { headers: { traceparent: untraced.traceparent.replace(/01$/, '00') } })
    await client.fetch('/healthz')
    await client.fetch('/no/such/route?key=of-a-client', { headers: { traceparent: 'nonsense' } })
    const found = (): ReceivedSpan | undefined => collector.spans().find(({ name }) => name === 'GET')
    await expect.poll(found).toMatchObject({ parentSpanId: '', attributes: { 'http.response.status_code': 404 } })
    expect(collector.spans().map(({ traceId }) => traceId)).not.toContain(untraced.traceId)
    expect(collector.spans().map(({ name }) => name)).not.toContain('GET /healthz')
  })

  test('metrics are what /metrics has, with the name, attributes and headers that the variables give', async () => {
    const { client, collector } = served
    await client.json(200, '/v1/models')
    const counted = () => {
      const points = collector.metrics().get('sotto_http_request_duration_seconds')?.histogram?.dataPoints ?? []
      return points.find(({ attributes }) => attributesOf(attributes)['route'] === '/v1/models')
    }
    await expect.poll(counted).toBeDefined()
    const point = counted()
    expect(point?.count).toBe(point?.bucketCounts.reduce((sum, count) => sum + count, 0))
    expect(point?.bucketCounts).toHaveLength((point?.explicitBounds.length ?? 0) + 1)
    const page = await (await client.fetch('/metrics')).text()
    const metrics = collector.metrics()
    // Of what is counted at the moment alone, there may be none at one of the two moments.
    const names = [...page.matchAll(/^# TYPE ((?:sotto|process)_\S+) /gm)].map(([, name = '']) => name)
    const valued = names.filter((name) => new RegExp(`^${name}[ {_]`, 'm').test(page))
    expect(valued.length).toBeGreaterThan(8)
    expect(valued.filter((name) => !metrics.has(name))).toEqual([])
    expect(metrics.get('process_cpu_seconds_total')).toMatchObject({ unit: 's', sum: { isMonotonic: true } })
    expect(metrics.get('process_resident_memory_bytes')).toMatchObject({ unit: 'By', gauge: expect.anything() })

    expect(collector.resource()).toMatchObject({
      ...{ 'service.name': 'sotto-under-test', 'deployment.environment.name': 'test' },
      ...{ 'service.version': expect.any(String), 'service.instance.id': expect.any(String) },
    })
    for (const { headers } of collector.exports) expect(headers['x-collector-key']).toBe('of the collector')
    expect(served.server.output).not.toContain('of the collector')
  })

  test('OpenTelemetry is loaded', () => {
    expect(packagesLoaded(served.server)).toEqual(
      expect.arrayContaining(['@opentelemetry/sdk-trace', '@opentelemetry/sdk-metrics']),
    )
  })
})

test('a collector that is away costs one warning; what it is there for again is sent to the last span', async () => {
  await using served = await serve(({ url }) => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    OTEL_BSP_SCHEDULE_DELAY: '20',
    OTEL_METRIC_EXPORT_INTERVAL: '100',
  }))
  const { client, server, collector } = served
  const warnings = (): number => server.output.split('did not take traces or metrics').length - 1
  collector.refuse = (response) => response.destroy()
  const before = await client.transcribe(SHORT)
  expect(before.status).toBe('success')
  await expect.poll(() => collector.refused).toBeGreaterThan(10)
  expect(warnings()).toBe(1)

  collector.refuse = undefined
  await expect.poll(() => server.output).toContain('takes traces and metrics again')
  const { traceId, traceparent } = traced()
  await client.fetch('/v1/models', { headers: { traceparent } })
  expect(await server.end('SIGTERM')).toBe(0)
  const spans = Buffer.concat(collector.at('/v1/traces').map(({ body }) => body))
  expect(spans.includes('GET /v1/models')).toBe(true)
  expect(spans.includes(Buffer.from(traceId, 'hex'))).toBe(true)
  for (const { headers } of collector.exports) expect(headers['content-type']).toBe('application/x-protobuf')
})

describe('without a collector', () => {
  let served: Served
  beforeAll(async () => {
    served = await serve(() => ({ OTEL_SERVICE_NAME: 'sotto' }))
  })
  afterAll(async () => await served[Symbol.asyncDispose]())

  test('a client’s trace is passed on to webhooks as it came, and of none nothing is said', async () => {
    const { client, receiver } = served
    const { traceparent } = traced()
    const told = async (path: string, headers: Record<string, string>): Promise<string | undefined> => {
      const webhook = { url: receiver.url(path), events: ['job.accepted'] }
      await submit(client, SHORT, { webhook }, headers)
      await expect.poll(() => receiver.at(path).length).toBe(1)
      const header = receiver.at(path)[0]?.headers['traceparent']
      return typeof header === 'string' ? header : undefined
    }
    expect(await told('/traced', { traceparent })).toBe(traceparent)
    expect(await told('/untraced', {})).toBeUndefined()
    expect(await told('/nonsense', { traceparent: 'nonsense' })).toBeUndefined()
  })

  test('nothing of OpenTelemetry is loaded but the interface that the library of /metrics loads', async () => {
    const { client, server } = served
    await client.fetch('/metrics')
    await client.transcribe(SHORT)
    expect(new Set(packagesLoaded(server))).toEqual(new Set(['@opentelemetry/api']))
  })
})

test('of an API server and a worker on a PostgreSQL, both tell of the same trace', async () => {
  await using cluster = await Cluster.start()
  await using collector = await Collector.start()
  const environment = {
    ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' },
    ...{ OTEL_BSP_SCHEDULE_DELAY: '50', OTEL_METRIC_EXPORT_INTERVAL: '200' },
  }
  const [server] = await Promise.all([
    cluster.process('api', { environment: { ...environment, OTEL_SERVICE_NAME: 'sotto-api' } }),
    cluster.process('worker', { environment: { ...environment, OTEL_SERVICE_NAME: 'sotto-worker' } }),
  ])
  const client = cluster.client(server)
  const { traceId, traceparent } = traced()
  const { id } = await submit(client, SHORT, {}, { traceparent })
  await client.finish(id)
  const senders = () =>
    collector
      .spans()
      .filter((span) => span.traceId === traceId)
      .map(({ name, service }) => `${service} ${name}`)
  await expect.poll(senders).toEqual(expect.arrayContaining(['sotto-worker job']))
  expect(senders()).toContain('sotto-api POST /v1/async/ent/:vendor/:version/:publisher/:model')
  expect(senders()).toContain('sotto-worker window')
  const names = (service: string) => collector.metricNames(service)
  await expect.poll(() => names('sotto-worker')).toContain('process_resident_memory_bytes')
  expect(names('sotto-worker')).not.toContain('sotto_http_request_duration_seconds')
})
