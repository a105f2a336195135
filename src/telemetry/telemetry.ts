import { setTimeout as delay } from 'node:timers/promises'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { Resource } from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { NO_TRACER } from '../contract/tracing.ts'
import type { Tracer } from '../contract/tracing.ts'
import { version } from '../version.ts'
import { CollectorWatch } from './collector-watch.ts'
import { openExporters } from './exporters.ts'
import type { Exporters, Protocol } from './exporters.ts'
import { TelemetryTracer } from './otel-tracer.ts'
import { PrometheusMetrics } from './prometheus-metrics.ts'
import { samplerOf } from './sampler.ts'
import type { SamplerName } from './sampler.ts'

/** How long the end of the process waits for the last spans, or the last metrics, to be sent. */
const FLUSH_MS = 2000
/** Spans that wait to be sent; more are dropped. */
const MAX_WAITING_SPANS = 8192

export interface TelemetryOptions {
  /** `v1/traces` and `v1/metrics` are below it. */
  readonly endpoint: URL
  readonly headers: Readonly<Record<string, string>>
  readonly protocol: Protocol
  readonly tracesExporter: 'otlp' | 'none'
  readonly metricsExporter: 'otlp' | 'none'
  readonly serviceName: string
  readonly resourceAttributes: Readonly<Record<string, string>>
  readonly sampler: SamplerName
  readonly sampledShare: number
  readonly batchDelayMs: number
  readonly metricIntervalMs: number
  /** Tells this process from others of the service. */
  readonly instanceId: string
  readonly logger: Logger
}

/**
 * Sends traces and metrics to a collector by OTLP. Disposing it sends what is left of the spans, for two seconds at most, and waits for
 * nothing where the collector was away before.
 */
export class Telemetry implements AsyncDisposable {
  readonly tracer: Tracer
  readonly #options: TelemetryOptions
  readonly #resource: Resource
  readonly #watch: CollectorWatch
  readonly #exporters: Exporters
  readonly #spans: TracerProvider | null

  private constructor(options: TelemetryOptions, exporters: Exporters) {
    const { serviceName, resourceAttributes, instanceId, endpoint, logger } = options
    this.#options = options
    this.#exporters = exporters
    this.#watch = new CollectorWatch(logger, endpoint.origin)
    this.#resource = resourceFromAttributes({
      'service.version': version,
      'service.instance.id': instanceId,
      ...resourceAttributes,
      'service.name': serviceName,
    })
    this.#spans = options.tracesExporter === 'none' ? null : this.#openSpans()
    this.tracer = this.#spans === null ? NO_TRACER : new TelemetryTracer(this.#spans)
  }

  static async open(options: TelemetryOptions): Promise<Telemetry> {
    return new Telemetry(options, await openExporters(options))
  }

  /** Sends these metrics at intervals, until it is disposed; then once more. Does nothing where no metrics are wanted. */
  export(registry: Registry): AsyncDisposable {
    const { metricsExporter, metricIntervalMs } = this.#options
    if (metricsExporter === 'none') return { [Symbol.asyncDispose]: () => Promise.resolve() }
    const reader = new PeriodicExportingMetricReader({
      exporter: this.#watch.over(this.#exporters.metrics()),
      exportIntervalMillis: metricIntervalMs,
      exportTimeoutMillis: Math.min(metricIntervalMs, 30_000),
      metricProducers: [new PrometheusMetrics(registry)],
    })
    const provider = new MeterProvider({ resource: this.#resource, readers: [reader] })
    return { [Symbol.asyncDispose]: () => this.#close(provider) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#spans !== null) await this.#close(this.#spans)
  }

  #openSpans(): TracerProvider {
    const { sampler, sampledShare, batchDelayMs } = this.#options
    const processor = new BatchSpanProcessor({
      exporter: this.#watch.over(this.#exporters.spans()),
      scheduledDelayMillis: batchDelayMs,
      maxQueueSize: MAX_WAITING_SPANS,
    })
    return new TracerProvider({
      resource: this.#resource,
      sampler: samplerOf(sampler, sampledShare),
      spanProcessors: [processor],
    })
  }

  async #close(provider: { shutdown(): Promise<void> }): Promise<void> {
    // Nothing of it keeps the process from ending, but for a request that is under way.
    if (this.#watch.isAway) return
    // What the collector does not take now is no error of the server's.
    const closing = provider.shutdown().catch(() => undefined)
    const timer = new AbortController()
    const limit = delay(FLUSH_MS, undefined, { signal: timer.signal }).catch(() => undefined)
    await Promise.race([closing, limit])
    timer.abort()
  }
}
