import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { ConfigError } from './config/config-error.ts'
import { TELEMETRY_SETTINGS } from './config/telemetry.ts'
import type { TelemetryConfig } from './config/telemetry.ts'
import type { Telemetry } from './telemetry/telemetry.ts'

/** Loads what sends traces and metrics; null, and nothing is loaded, where that is not asked for. */
export async function openTelemetry(config: TelemetryConfig, logger: Logger): Promise<Telemetry | null> {
  const { endpoint, isDisabled, certificateFile, ...options } = config
  if (endpoint === null || isDisabled) return null
  const certificate = certificateFile === null ? null : await readCertificate(certificateFile)
  const { Telemetry: Opened } = await import('./telemetry/telemetry.ts')
  const { serviceName: service, protocol } = config
  logger.info({ endpoint: endpoint.origin, protocol, service }, 'traces and metrics go to an OpenTelemetry collector')
  return new Opened({ ...options, endpoint, certificate, instanceId: randomUUID(), logger })
}

/** @throws ConfigError */
async function readCertificate(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new ConfigError(
      `${TELEMETRY_SETTINGS.certificateFile.variable} names ${file}, which can’t be read: ${String(cause)}`,
    )
  }
}
