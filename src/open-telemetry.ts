import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { TelemetryConfig } from './config/telemetry.ts'
import type { Telemetry } from './telemetry/telemetry.ts'

/** Loads what sends traces and metrics; null, and nothing is loaded, where that is not asked for. */
export async function openTelemetry(config: TelemetryConfig, logger: Logger): Promise<Telemetry | null> {
  const { endpoint, isDisabled, ...options } = config
  if (endpoint === null || isDisabled) return null
  const { Telemetry: Opened } = await import('./telemetry/telemetry.ts')
  const { serviceName: service, protocol } = config
  logger.info({ endpoint: endpoint.origin, protocol, service }, 'traces and metrics go to an OpenTelemetry collector')
  return await Opened.open({ ...options, endpoint, instanceId: randomUUID(), logger })
}
