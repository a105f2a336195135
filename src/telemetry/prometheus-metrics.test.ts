import { DataPointType } from '@opentelemetry/sdk-metrics'
import { Counter, Gauge, Histogram, Registry, Summary } from 'prom-client'
import { expect, test } from 'vitest'
import { PrometheusMetrics } from './prometheus-metrics.ts'

async function collected(registry: Registry) {
  const { resourceMetrics, errors } = await new PrometheusMetrics(registry).collect()
  expect(errors).toEqual([])
  return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
}

test('a histogram’s buckets are counted apart, those of each set of labels together', async () => {
  const registers = [new Registry()]
  const labelNames = ['route', 'status'] as const
  const buckets = [0.1, 1, 10]
  const histogram = new Histogram({ name: 'took_seconds', help: 'How long.', labelNames, buckets, registers })
  for (const seconds of [0.05, 0.5, 0.5, 5, 50]) histogram.observe({ route: '/one', status: 200 }, seconds)
  histogram.observe({ route: '/other', status: 404 }, 0.5)
  const [metric, ...others] = await collected(registers[0] as Registry)
  expect(others).toEqual([])
  expect(metric).toMatchObject({
    descriptor: { name: 'took_seconds', description: 'How long.', unit: 's' },
    dataPointType: DataPointType.HISTOGRAM,
  })
  expect(metric?.dataPoints).toMatchObject([
    {
      attributes: { route: '/one', status: 200 },
      value: { count: 5, sum: 56.05, buckets: { boundaries: [0.1, 1, 10], counts: [1, 2, 1, 1] } },
    },
    {
      attributes: { route: '/other', status: 404 },
      value: { count: 1, sum: 0.5, buckets: { boundaries: [0.1, 1, 10], counts: [0, 1, 0, 0] } },
    },
  ])
})

test('counters grow from the start of the process, gauges are as they are, and what has no value is left out', async () => {
  const registry = new Registry()
  const registers = [registry]
  new Counter({ name: 'cpu_seconds_total', help: 'x', registers }).inc(3)
  const gauge = new Gauge({ name: 'memory_bytes', help: 'x', labelNames: ['kind'], registers })
  gauge.set({ kind: 'heap' }, 7)
  new Gauge({ name: 'nothing_jobs', help: 'x', labelNames: ['model'], registers }).reset()
  new Summary({ name: 'summed', help: 'x', registers }).observe(1)
  const metrics = await collected(registry)
  expect(metrics).toMatchObject([
    {
      descriptor: { name: 'cpu_seconds_total', unit: 's' },
      ...{ dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: [{ value: 3, attributes: {} }] },
    },
    {
      descriptor: { name: 'memory_bytes', unit: 'By' },
      ...{ dataPointType: DataPointType.GAUGE, dataPoints: [{ value: 7, attributes: { kind: 'heap' } }] },
    },
  ])
  const [seconds] = metrics[0]?.dataPoints[0]?.startTime ?? []
  expect(seconds).toBe(Math.floor(performance.timeOrigin / 1000))
})
