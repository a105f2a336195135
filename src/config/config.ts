import { ConfigError } from './config-error.ts'
import { ENGINE_SETTINGS, engineConfig } from './engine.ts'
import type { EngineConfig } from './engine.ts'
import { HUB_SETTINGS } from './hub.ts'
import type { HubConfig } from './hub.ts'
import { OPENAI_SETTINGS } from './openai.ts'
import type { OpenAiConfig } from './openai.ts'
import { JOBS_SETTINGS, jobsConfig } from './jobs.ts'
import type { JobsConfig } from './jobs.ts'
import { PAYLOADS_SETTINGS, payloadsConfig } from './payloads.ts'
import type { PayloadsConfig } from './payloads.ts'
import { readSettings } from './read-settings.ts'
import type { Environment, Flags } from './read-settings.ts'
import { SERVER_SETTINGS } from './server.ts'
import type { ServerConfig } from './server.ts'
import type { Settings, Values } from './setting.ts'
import { TELEMETRY_SETTINGS } from './telemetry.ts'
import type { TelemetryConfig } from './telemetry.ts'

/** All settings, in the parts that rooms take. */
export interface Config {
  readonly server: ServerConfig
  readonly jobs: JobsConfig
  readonly payloads: PayloadsConfig
  readonly engine: EngineConfig
  readonly hub: HubConfig
  readonly openai: OpenAiConfig
  readonly telemetry: TelemetryConfig
}

/** @throws ConfigError naming every setting that is wrong */
export function loadConfig(environment: Environment, flags: Flags = {}): Config {
  const problems: string[] = []
  const read = <S extends Settings>(settings: S): Values<S> => readSettings(settings, { environment, flags }, problems)
  const config: Config = {
    server: read(SERVER_SETTINGS),
    jobs: jobsConfig(read(JOBS_SETTINGS)),
    payloads: payloadsConfig(read(PAYLOADS_SETTINGS)),
    engine: engineConfig(read(ENGINE_SETTINGS)),
    hub: read(HUB_SETTINGS),
    openai: read(OPENAI_SETTINGS),
    telemetry: read(TELEMETRY_SETTINGS),
  }
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  for (const part of Object.values(config)) Object.freeze(part)
  return Object.freeze(config)
}
