import { isPlainHttp } from './addresses.ts'
import type { Settings, ValueType, Values } from './setting.ts'
import { integer, named, secondsAsMs, text } from './value-types.ts'

/** The URL that `/audio/transcriptions` is appended to; null: this machine. */
const engineServer: ValueType<string | null> = {
  takes: 'local|openai:url',
  expects: 'local, or openai:<URL> without a user and password, such as openai:http://gpu.example.com:8000/v1',
  read: (value) => {
    if (value === 'local') return null
    const url = value.startsWith('openai:') ? URL.parse(value.slice('openai:'.length)) : null
    if (url === null || !isPlainHttp(url) || url.username !== '' || url.password !== '') return undefined
    // Without a path it gets the one that OpenAI's API has everywhere.
    return url.origin + (url.pathname === '/' ? '/v1' : url.pathname.replace(/\/+$/, ''))
  },
}

/** What can stand in a header. */
const headerText: ValueType<string> = {
  takes: 'key',
  expects: 'visible ASCII characters',
  read: (value) => (/^[\x21-\x7e]+$/.test(value) ? value : undefined),
}

/** What runs the jobs, where that is not this machine. */
export const REMOTE_ENGINE_SETTINGS = {
  server: {
    variable: 'SOTTO_ENGINE',
    flag: 'engine',
    type: engineServer,
    default: 'local',
    meaning: 'what runs the jobs: this machine, or a server that speaks OpenAI’s transcription API',
    see: '[remote-engine.md](remote-engine.md)',
  },
  remoteApiKey: {
    variable: 'SOTTO_ENGINE_API_KEY',
    flag: null,
    type: headerText,
    default: null,
    meaning: "that server's API key",
    isSecret: true,
  },
  remoteModel: {
    variable: 'SOTTO_ENGINE_MODEL',
    flag: 'engine-model',
    type: named('name', text),
    default: null,
    meaning: "that server's name of the model that all jobs run on; by default the name that a job was submitted with",
  },
  remoteTimeoutMs: {
    variable: 'SOTTO_ENGINE_TIMEOUT',
    flag: 'engine-timeout',
    type: secondsAsMs(integer(1, 7 * 86_400)),
    default: '3600',
    meaning: 'how long that server may take for a recording, its upload included',
  },
} as const satisfies Settings

/** Another server that speaks OpenAI's API. */
export interface RemoteEngineConfig {
  /** What `/audio/transcriptions` is appended to. */
  readonly baseUrl: string
  readonly apiKey: string | null
  /** What it calls its model; null: as Sotto does. */
  readonly model: string | null
  /** For one recording, its upload included. */
  readonly timeoutMs: number
}

export function remoteEngine({
  server,
  remoteApiKey,
  remoteModel,
  remoteTimeoutMs,
}: Values<typeof REMOTE_ENGINE_SETTINGS>): RemoteEngineConfig | null {
  if (server === null) return null
  return { baseUrl: server, apiKey: remoteApiKey, model: remoteModel, timeoutMs: remoteTimeoutMs }
}
