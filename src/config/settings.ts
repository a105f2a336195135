import { ENGINE_SETTINGS } from './engine.ts'
import { HUB_SETTINGS } from './hub.ts'
import { OPENAI_SETTINGS } from './openai.ts'
import { JOBS_SETTINGS } from './jobs.ts'
import { PAYLOADS_SETTINGS } from './payloads.ts'
import { SERVER_SETTINGS } from './server.ts'
import type { Setting, Settings } from './setting.ts'
import { TELEMETRY_SETTINGS } from './telemetry.ts'

export interface Domain {
  /** As the help and the documentation head it. */
  readonly title: string
  readonly settings: Settings
}

/** In the order in which people read about them. */
export const DOMAINS: readonly Domain[] = [
  { title: 'The server', settings: SERVER_SETTINGS },
  { title: 'Jobs', settings: JOBS_SETTINGS },
  { title: 'Recordings and results', settings: PAYLOADS_SETTINGS },
  { title: 'The engine', settings: ENGINE_SETTINGS },
  { title: 'Models', settings: HUB_SETTINGS },
  { title: 'OpenAI’s routes, and /asr', settings: OPENAI_SETTINGS },
  { title: 'OpenTelemetry', settings: TELEMETRY_SETTINGS },
]

export const SETTINGS: readonly Setting[] = DOMAINS.flatMap(({ settings }) => Object.values(settings))
