import type { PushMetricExporter } from '@opentelemetry/sdk-metrics'
import type { SpanExporter } from '@opentelemetry/sdk-trace'

export type Protocol = 'http/protobuf' | 'http/json'

/** What sends to a collector. Timeouts, compression and certificates are what `OTEL_EXPORTER_OTLP_*` say of them, which they read. */
export interface Exporters {
  readonly spans: () => SpanExporter
  readonly metrics: () => PushMetricExporter
}

interface Collector {
  readonly endpoint: URL
  readonly headers: Readonly<Record<string, string>>
  readonly protocol: Protocol
}

/** Loads those of the protocol alone. */
export async function openExporters({ endpoint, headers, protocol }: Collector): Promise<Exporters> {
  const [{ OTLPTraceExporter }, { OTLPMetricExporter }] =
    protocol === 'http/json'
      ? await Promise.all([
          import('@opentelemetry/exporter-trace-otlp-http'),
          import('@opentelemetry/exporter-metrics-otlp-http'),
        ])
      : await Promise.all([
          import('@opentelemetry/exporter-trace-otlp-proto'),
          import('@opentelemetry/exporter-metrics-otlp-proto'),
        ])
  const base = endpoint.href.replace(/\/+$/, '')
  return {
    spans: () => new OTLPTraceExporter({ url: `${base}/v1/traces`, headers: { ...headers } }),
    metrics: () => new OTLPMetricExporter({ url: `${base}/v1/metrics`, headers: { ...headers } }),
  }
}
