import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Context, Span as OtelSpan, Tracer as OtelTracer, TracerProvider } from '@opentelemetry/api'
import type { Span, SpanAttributes, SpanEnd, SpanOptions, Tracer, Traceparent } from '../contract/tracing.ts'
import { version } from '../version.ts'

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER } as const

/** Sotto's tracer, on OpenTelemetry's. Parents are named: nothing is passed on behind the code's back, and no global is set. */
export class TelemetryTracer implements Tracer {
  readonly isOn = true
  readonly #tracer: OtelTracer

  constructor(provider: TracerProvider) {
    this.#tracer = provider.getTracer('sotto', version)
  }

  start(name: string, { parent, kind, attributes, startMs }: SpanOptions): Span {
    const options = {
      kind: kind === undefined ? SpanKind.INTERNAL : KINDS[kind],
      ...(attributes === undefined ? {} : { attributes }),
      ...(startMs === undefined ? {} : { startTime: startMs }),
    }
    return new TelemetrySpan(this.#tracer.startSpan(name, options, contextOf(parent)))
  }
}

class TelemetrySpan implements Span {
  readonly traceparent: Traceparent
  readonly #span: OtelSpan

  constructor(span: OtelSpan) {
    this.#span = span
    const { traceId, spanId, traceFlags } = span.spanContext()
    this.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  }

  set(attributes: SpanAttributes): void {
    this.#span.setAttributes(attributes)
  }

  end({ error, endMs }: SpanEnd = {}): void {
    if (error !== undefined) {
      this.#span.setAttribute('error.type', error)
      this.#span.setStatus({ code: SpanStatusCode.ERROR })
    }
    this.#span.end(endMs)
  }
}

function contextOf(parent: Traceparent | null): Context {
  if (parent === null) return ROOT_CONTEXT
  const [, traceId = '', spanId = '', flags = '00'] = parent.split('-')
  return trace.setSpanContext(ROOT_CONTEXT, {
    ...{ traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true },
  })
}
