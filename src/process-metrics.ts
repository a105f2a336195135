import { Registry, collectDefaultMetrics } from 'prom-client'

/** Metrics of the process itself, beside which others are registered: what `/metrics` shows, and OpenTelemetry is sent. */
export function processMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}
