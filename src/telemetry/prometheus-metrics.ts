import { ValueType } from '@opentelemetry/api'
import type { Attributes, HrTime } from '@opentelemetry/api'
import { millisToHrTime } from '@opentelemetry/core'
import { emptyResource } from '@opentelemetry/resources'
import { AggregationTemporality, DataPointType } from '@opentelemetry/sdk-metrics'
import type { CollectionResult, DataPoint, Histogram, MetricData, MetricProducer } from '@opentelemetry/sdk-metrics'
import type { Registry } from 'prom-client'
import { version } from '../version.ts'

type PrometheusMetric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number]

interface Sample {
  readonly value: number
  readonly labels: Readonly<Record<string, string | number | undefined>>
  /** Of a histogram: which of its numbers it is. */
  readonly metricName?: string
}

interface Times {
  readonly startTime: HrTime
  readonly endTime: HrTime
}

/** What `/metrics` has, for OpenTelemetry: the same registry is read, so that nothing is counted twice. */
export class PrometheusMetrics implements MetricProducer {
  readonly #registry: Registry
  readonly #startTime = millisToHrTime(performance.timeOrigin)

  constructor(registry: Registry) {
    this.#registry = registry
  }

  async collect(): Promise<CollectionResult> {
    const found = await this.#registry.getMetricsAsJSON()
    const times = { startTime: this.#startTime, endTime: millisToHrTime(Date.now()) }
    const metrics = found.map((metric) => metricOf(metric, times)).filter((metric) => metric !== undefined)
    const scopeMetrics = [{ scope: { name: 'sotto', version }, metrics }]
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] }
  }
}

/** Undefined: it has no values, or is a summary, which OpenTelemetry takes from nobody. */
function metricOf(metric: PrometheusMetric, times: Times): MetricData | undefined {
  const { name, help: description } = metric
  const samples: readonly Sample[] = metric.values
  if (samples.length === 0) return undefined
  const common = {
    descriptor: { name, description, unit: unitOf(name), valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  }
  // The types say an enum that is a name at run time.
  switch (String(metric.type)) {
    case 'counter':
      return {
        ...common,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: samples.map((sample) => pointOf(sample, times)),
      }
    case 'gauge':
      return {
        ...common,
        dataPointType: DataPointType.GAUGE,
        dataPoints: samples.map((sample) => pointOf(sample, times)),
      }
    case 'histogram':
      return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints: histogramsOf(name, samples, times) }
    default:
      return undefined
  }
}

function pointOf({ labels, value }: Sample, times: Times): DataPoint<number> {
  return { ...times, attributes: attributesOf(labels), value }
}

interface Buckets {
  readonly attributes: Attributes
  /** Upper bounds, and how many values are below each: cumulative, as Prometheus has them. */
  readonly below: (readonly [bound: number, count: number])[]
  sum: number
  count: number
}

/** Prometheus has a number for each bucket; those of the same labels are one histogram. */
function histogramsOf(name: string, samples: readonly Sample[], times: Times): DataPoint<Histogram>[] {
  const all = new Map<string, Buckets>()
  for (const { labels, value, metricName } of samples) {
    const { le, ...own } = labels
    const attributes = attributesOf(own)
    const key = JSON.stringify(attributes)
    const buckets = all.get(key) ?? { attributes, below: [], sum: 0, count: 0 }
    all.set(key, buckets)
    if (metricName === `${name}_sum`) buckets.sum = value
    else if (metricName === `${name}_count`) buckets.count = value
    else if (le !== undefined && le !== '+Inf') buckets.below.push([Number(le), value])
  }
  return [...all.values()].map(({ attributes, below, sum, count }) => {
    const sorted = below.toSorted(([one], [other]) => one - other)
    const totals = [...sorted.map(([, total]) => total), count]
    const counts = totals.map((total, index) => total - (totals[index - 1] ?? 0))
    return {
      ...times,
      attributes,
      value: { buckets: { boundaries: sorted.map(([bound]) => bound), counts }, sum, count },
    }
  })
}

function attributesOf(labels: Sample['labels']): Attributes {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== undefined))
}

/** Prometheus has units in names, OpenTelemetry beside them. */
function unitOf(name: string): string {
  const plain = name.replace(/_total$/, '')
  if (plain.endsWith('_seconds')) return 's'
  return plain.endsWith('_bytes') ? 'By' : ''
}
