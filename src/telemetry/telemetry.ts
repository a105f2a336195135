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
import { TelemetryTracer } from './otel-tracer.ts'
import { metricExporter, spanExporter } from './otlp-exporter.ts'
import type { Protocol } from './otlp-exporter.ts'
import { OtlpSender } from './otlp-sender.ts'
import type { OtlpSenderOptions } from './otlp-sender.ts'
import { PrometheusMetrics } from './prometheus-metrics.ts'
import { samplerOf } from './sampler.ts'
import type { SamplerName } from './sampler.ts'

/** How long the end of the process waits for the last metrics and spans to be sent. */
const FLUSH_MS = 2000
/** Spans that wait to be sent; more are dropped. */
const MAX_WAITING_SPANS = 8192

export interface TelemetryOptions extends Omit<OtlpSenderOptions, 'contentType'> {
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
  readonly #sender: OtlpSender
  readonly #spans: TracerProvider | null
  /** The collector has had its time to take what is left. */
  #isLate = false

  constructor(options: TelemetryOptions) {
    const { serviceName, resourceAttributes, instanceId, endpoint, protocol, logger } = options
    this.#options = options
    const contentType = protocol === 'http/json' ? 'application/json' : 'application/x-protobuf'
    this.#sender = new OtlpSender({ ...options, contentType })
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

  /** Sends these metrics at intervals, until it is disposed; then once more. Does nothing where no metrics are wanted. */
  export(registry: Registry): AsyncDisposable {
    const { metricsExporter, metricIntervalMs } = this.#options
    if (metricsExporter === 'none') return { [Symbol.asyncDispose]: () => Promise.resolve() }
    const reader = new PeriodicExportingMetricReader({
      exporter: metricExporter(this.#place),
      exportIntervalMillis: metricIntervalMs,
      exportTimeoutMillis: Math.min(metricIntervalMs, 30_000),
      metricProducers: [new PrometheusMetrics(registry)],
    })
    const provider = new MeterProvider({ resource: this.#resource, readers: [reader] })
    return { [Symbol.asyncDispose]: () => this.#close(provider) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#spans !== null) await this.#close(this.#spans)
    await this.#sender[Symbol.asyncDispose]()
  }

  get #place(): Parameters<typeof spanExporter>[0] {
    return { sender: this.#sender, watch: this.#watch, protocol: this.#options.protocol }
  }

  #openSpans(): TracerProvider {
    const { sampler, sampledShare, batchDelayMs } = this.#options
    const processor = new BatchSpanProcessor({
      exporter: spanExporter(this.#place),
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
    // What the collector does not take now is no error of the server's.
    const closing = provider.shutdown().catch(() => undefined)
    const timer = new AbortController()
    const limitMs = this.#isLate || this.#sender.isFailing ? 0 : FLUSH_MS
    const limit = delay(limitMs, undefined, { signal: timer.signal }).then(
      () => (this.#isLate = true),
      () => undefined,
    )
    await Promise.race([closing, limit])
    timer.abort()
  }
}
