import { httpUrl } from './addresses.ts'
import type { Settings, ValueType, Values } from './setting.ts'
import { folder, integer, named, onOff, oneOf, text } from './value-types.ts'

const PROTOCOLS = ['http/protobuf', 'http/json'] as const
const COMPRESSIONS = ['none', 'gzip'] as const
const EXPORTERS = ['otlp', 'none'] as const

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

/** As OpenTelemetry writes headers and attributes: values may be percent-encoded. */
const pairs: ValueType<Readonly<Record<string, string>>> = {
  takes: 'list',
  expects: 'a list of name=value, separated by commas, such as deployment.environment.name=staging',
  read: (value) => {
    const items = value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
    const read = items.map(readPair).filter((pair) => pair !== undefined)
    return read.length === items.length ? Object.fromEntries(read) : undefined
  },
}

function readPair(item: string): readonly [name: string, value: string] | undefined {
  const [, name, value] = /^([^=\s]+)\s*=\s*(.*)$/.exec(item) ?? []
  if (name === undefined || value === undefined) return undefined
  try {
    return [decodeURIComponent(name), decodeURIComponent(value)]
  } catch {
    return undefined
  }
}

const share: ValueType<number> = {
  takes: 'number',
  range: 'from 0 to 1',
  expects: 'a number from 0 to 1',
  read: (value) => (/^(?:0|1|[01]?\.\d{1,12})$/.test(value) && Number(value) <= 1 ? Number(value) : undefined),
}

const milliseconds = (minimum: number): ValueType<number> => named('milliseconds', integer(minimum, 86_400_000))

/** What OpenTelemetry's own variables say. They have no flags, as they are shared with other programs. */
export const TELEMETRY_SETTINGS = {
  /** Null: off. */
  endpoint: {
    variable: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    flag: null,
    type: httpUrl,
    default: null,
    meaning:
      'an OpenTelemetry collector that traces and metrics are sent to by OTLP over HTTP, below it at v1/traces and v1/metrics; by default nothing is sent',
    see: '[telemetry.md](telemetry.md)',
  },
  headers: {
    variable: 'OTEL_EXPORTER_OTLP_HEADERS',
    flag: null,
    type: pairs,
    default: '',
    meaning: 'headers that the collector is sent, name=value, separated by commas, such as its key',
    isSecret: true,
  },
  protocol: {
    variable: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    flag: null,
    type: oneOf(PROTOCOLS),
    default: 'http/protobuf',
    meaning: 'how they are written',
  },
  compression: {
    variable: 'OTEL_EXPORTER_OTLP_COMPRESSION',
    flag: null,
    type: oneOf(COMPRESSIONS),
    default: 'none',
    meaning: 'how they are compressed',
  },
  timeoutMs: {
    variable: 'OTEL_EXPORTER_OTLP_TIMEOUT',
    flag: null,
    type: milliseconds(1),
    default: '10000',
    meaning: 'how long the collector may take for what it is sent, with what is tried again; then it is lost',
  },
  certificateFile: {
    variable: 'OTEL_EXPORTER_OTLP_CERTIFICATE',
    flag: null,
    type: named('file', folder),
    default: null,
    meaning:
      'a PEM file of the authority that the collector’s certificate is of; by default one that the system trusts',
  },
  tracesExporter: {
    variable: 'OTEL_TRACES_EXPORTER',
    flag: null,
    type: oneOf(EXPORTERS),
    default: 'otlp',
    meaning: 'none: no traces',
  },
  metricsExporter: {
    variable: 'OTEL_METRICS_EXPORTER',
    flag: null,
    type: oneOf(EXPORTERS),
    default: 'otlp',
    meaning: 'none: no metrics',
  },
  isDisabled: {
    variable: 'OTEL_SDK_DISABLED',
    flag: null,
    type: onOff,
    default: 'off',
    meaning: 'on (or true): nothing is sent, whatever the others say',
  },
  serviceName: {
    variable: 'OTEL_SERVICE_NAME',
    flag: null,
    type: named('name', text),
    default: 'sotto',
    meaning: 'what the server is called in traces and metrics',
  },
  resourceAttributes: {
    variable: 'OTEL_RESOURCE_ATTRIBUTES',
    flag: null,
    type: pairs,
    default: '',
    meaning: 'what else is said of the server, name=value, separated by commas',
  },
  sampler: {
    variable: 'OTEL_TRACES_SAMPLER',
    flag: null,
    type: oneOf(SAMPLERS),
    default: 'parentbased_always_on',
    meaning: 'which traces are sent; parentbased_…: those of clients as the clients’ traceparent says',
  },
  sampledShare: {
    variable: 'OTEL_TRACES_SAMPLER_ARG',
    flag: null,
    type: share,
    default: '1',
    meaning: 'the share of traces that the samplers …traceidratio send',
  },
  batchDelayMs: {
    variable: 'OTEL_BSP_SCHEDULE_DELAY',
    flag: null,
    type: milliseconds(1),
    default: '5000',
    meaning: 'how long spans wait for others to be sent with',
  },
  metricIntervalMs: {
    variable: 'OTEL_METRIC_EXPORT_INTERVAL',
    flag: null,
    type: milliseconds(100),
    default: '60000',
    meaning: 'how often metrics are sent',
  },
} as const satisfies Settings

export type TelemetryConfig = Values<typeof TELEMETRY_SETTINGS>
