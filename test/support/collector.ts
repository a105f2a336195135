import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

type Value = string | number | boolean

/** What came to it at once. */
export interface Export {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A span as it came by OTLP. */
export interface ReceivedSpan {
  /** Whose it is. */
  readonly service: string
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  /** Empty for the first of a trace. */
  readonly parentSpanId: string
  /** 1: internal, 2: server, 3: client, 5: consumer. */
  readonly kind: number
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Readonly<Record<string, Value>>
  /** 2: error. */
  readonly status: number
}

export interface ReceivedMetric {
  readonly name: string
  readonly unit: string
  readonly gauge?: { readonly dataPoints: readonly Point[] }
  readonly sum?: { readonly dataPoints: readonly Point[]; readonly isMonotonic: boolean }
  readonly histogram?: { readonly dataPoints: readonly HistogramPoint[] }
}

interface Attribute {
  readonly key: string
  readonly value: {
    readonly stringValue?: string
    readonly intValue?: number | string
    readonly doubleValue?: number
    readonly boolValue?: boolean
  }
}

export interface Point {
  readonly attributes: readonly Attribute[]
  readonly asDouble: number
}

export interface HistogramPoint {
  readonly attributes: readonly Attribute[]
  readonly count: number
  readonly sum: number
  readonly bucketCounts: readonly number[]
  readonly explicitBounds: readonly number[]
}

interface Resource {
  readonly resource: { readonly attributes: readonly Attribute[] }
}

interface Traces {
  readonly resourceSpans: readonly (Resource & {
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly kind: number
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
        readonly attributes: readonly Attribute[]
        readonly status: { readonly code: number }
      }[]
    }[]
  })[]
}

interface Metrics {
  readonly resourceMetrics: readonly (Resource & {
    readonly scopeMetrics: readonly { readonly metrics: readonly ReceivedMetric[] }[]
  })[]
}

/** A collector of OpenTelemetry, which keeps what it is sent. What is read of it, is read of OTLP's JSON. */
export class Collector implements AsyncDisposable {
  readonly exports: Export[] = []
  /** In the place of taking what comes. */
  refuse: ((response: ServerResponse) => void) | undefined
  /** How often it has refused. */
  refused = 0
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<Collector> {
    const server = createServer()
    const collector = new Collector(server)
    server.on('request', (request, response) => {
      buffer(request).then(
        (body) => collector.#take({ path: request.url ?? '', headers: request.headers, body }, response),
        () => undefined,
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return collector
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  at(path: '/v1/traces' | '/v1/metrics'): readonly Export[] {
    return this.exports.filter((one) => one.path === path)
  }

  spans(): readonly ReceivedSpan[] {
    return this.at('/v1/traces')
      .flatMap(({ body }) => (JSON.parse(body.toString()) as Traces).resourceSpans)
      .flatMap(({ resource, scopeSpans }) => {
        const service = serviceOf({ resource })
        return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service })))
      })
      .map(({ parentSpanId = '', startTimeUnixNano, endTimeUnixNano, attributes, status, ...span }) => ({
        ...span,
        parentSpanId,
        startMs: millisecondsOf(startTimeUnixNano),
        endMs: millisecondsOf(endTimeUnixNano),
        attributes: attributesOf(attributes),
        status: status.code,
      }))
  }

  /** What it was told last of each metric. */
  metrics(): ReadonlyMap<string, ReceivedMetric> {
    const last = this.at('/v1/metrics').at(-1)
    if (last === undefined) return new Map()
    const { resourceMetrics } = JSON.parse(last.body.toString()) as Metrics
    const metrics = resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
    return new Map(metrics.map((metric) => [metric.name, metric]))
  }

  /** Of all that a service has sent. */
  metricNames(service: string): readonly string[] {
    return this.at('/v1/metrics')
      .flatMap(({ body }) => (JSON.parse(body.toString()) as Metrics).resourceMetrics)
      .filter((metrics) => serviceOf(metrics) === service)
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics.map(({ name }) => name)))
  }

  /** What is said of whoever sent the spans. */
  resource(): Readonly<Record<string, Value>> {
    const [first] = this.at('/v1/traces')
    const { resourceSpans } = JSON.parse(first?.body.toString() ?? '{"resourceSpans":[]}') as Traces
    return attributesOf(resourceSpans[0]?.resource.attributes ?? [])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #take(got: Export, response: ServerResponse): void {
    if (this.refuse !== undefined) {
      this.refused += 1
      this.refuse(response)
      return
    }
    this.exports.push(got)
    response.writeHead(200, { 'content-type': got.headers['content-type'] ?? '' })
    response.end(got.headers['content-type'] === 'application/json' ? '{}' : '')
  }
}

/** Since 1970, to a thousandth: there are more nanoseconds than a number can hold. */
function millisecondsOf(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1000n) / 1000
}

function serviceOf({ resource }: Resource): string {
  return String(attributesOf(resource.attributes)['service.name'])
}

export function attributesOf(attributes: readonly Attribute[]): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue, boolValue } }) => [
      key,
      stringValue ?? doubleValue ?? boolValue ?? Number(intValue),
    ]),
  )
}
