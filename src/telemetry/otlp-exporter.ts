import { ExportResultCode } from '@opentelemetry/core'
import type { ExportResult } from '@opentelemetry/core'
import {
  JsonMetricsSerializer,
  JsonTraceSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer'
import type { PushMetricExporter } from '@opentelemetry/sdk-metrics'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import type { CollectorWatch } from './collector-watch.ts'
import type { OtlpSender } from './otlp-sender.ts'

export type Protocol = 'http/protobuf' | 'http/json'

interface Place {
  readonly sender: OtlpSender
  readonly watch: CollectorWatch
  readonly protocol: Protocol
}

export function spanExporter({ protocol, ...place }: Place): SpanExporter {
  const serializer = protocol === 'http/json' ? JsonTraceSerializer : ProtobufTraceSerializer
  return new OtlpExporter('v1/traces', (spans) => serializer.serializeRequest(spans), place)
}

export function metricExporter({ protocol, ...place }: Place): PushMetricExporter {
  const serializer = protocol === 'http/json' ? JsonMetricsSerializer : ProtobufMetricsSerializer
  return new OtlpExporter('v1/metrics', (metrics) => serializer.serializeRequest(metrics), place)
}

/** What OpenTelemetry hands batches to, spans or metrics. */
class OtlpExporter<Batch> {
  readonly #path: 'v1/traces' | 'v1/metrics'
  readonly #messageOf: (batch: Batch) => Uint8Array | undefined
  readonly #place: Omit<Place, 'protocol'>
  readonly #running = new Set<Promise<void>>()

  constructor(
    path: 'v1/traces' | 'v1/metrics',
    messageOf: (batch: Batch) => Uint8Array | undefined,
    place: Omit<Place, 'protocol'>,
  ) {
    this.#path = path
    this.#messageOf = messageOf
    this.#place = place
  }

  export(batch: Batch, done: (result: ExportResult) => void): void {
    const running = this.#send(batch, done).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async forceFlush(): Promise<void> {
    await Promise.all(this.#running)
  }

  async shutdown(): Promise<void> {
    await this.forceFlush()
  }

  async #send(batch: Batch, done: (result: ExportResult) => void): Promise<void> {
    const { sender, watch } = this.#place
    try {
      const message = this.#messageOf(batch)
      if (message !== undefined) await sender.send(this.#path, message)
      watch.note()
      done({ code: ExportResultCode.SUCCESS })
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      watch.note(failure)
      done({ code: ExportResultCode.FAILED, error: failure })
    }
  }
}
