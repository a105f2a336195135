import { addressRanges, httpUrl, origins, reachable } from './addresses.ts'
import type { Settings, ValueType, Values } from './setting.ts'
import { count, folder, integer, named, oneOf, orOff, secondsAsMs, someOf, text } from './value-types.ts'
import { SCOPES } from '../contract/scope.ts'

export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const apiKey: ValueType<string> = {
  takes: 'key',
  expects: '16 to 256 characters from letters, digits and - . _ ~ + / =',
  read: (value) => (/^[\w.~+/=-]{16,256}$/.test(value) ? value : undefined),
}

/** The process itself, and what it serves to whom. */
export const SERVER_SETTINGS = {
  host: {
    variable: 'HOST',
    flag: 'host',
    type: named('address', text),
    default: '127.0.0.1',
    meaning: 'address to listen on',
  },
  port: {
    variable: 'PORT',
    flag: 'port',
    type: integer(0, 65_535),
    default: '8080',
    meaning: 'port to listen on, 0 for any free one',
  },
  dataDir: {
    variable: 'SOTTO_DATA_DIR',
    flag: 'data-dir',
    type: folder,
    default: './data',
    meaning: 'where database, recordings and results lie',
    see: '[below](#the-data-folder)',
  },
  publicUrl: {
    variable: 'SOTTO_PUBLIC_URL',
    flag: 'public-url',
    type: httpUrl,
    default: null,
    meaning: 'what the URLs that the API returns start with; by default what the request came in by',
    see: '[below](#behind-a-proxy)',
  },
  trustedProxies: {
    variable: 'SOTTO_TRUSTED_PROXIES',
    flag: 'trusted-proxies',
    type: addressRanges,
    default: '',
    meaning: 'addresses or CIDR ranges, separated by commas, whose X-Forwarded-* headers count',
  },
  corsOrigins: {
    variable: 'SOTTO_CORS_ORIGINS',
    flag: 'cors-origins',
    type: origins,
    default: '',
    meaning: 'origins whose pages may use the API from a browser, separated by commas, or * for any; by default none',
    see: '[below](#pages)',
  },
  /** Beyond the public internet. */
  fetchAllow: {
    variable: 'SOTTO_FETCH_ALLOW',
    flag: 'fetch-allow',
    type: reachable,
    default: '',
    meaning:
      'addresses, CIDR ranges and hosts, separated by commas, beyond the public internet that URLs of recordings and webhooks may name',
    see: '[below](#urls-of-others)',
  },
  apiKey: {
    variable: 'SOTTO_API_KEY',
    flag: null,
    type: apiKey,
    default: null,
    meaning: 'an API key, instead of the one that the first start makes',
    isSecret: true,
    see: '[below](#keys)',
  },
  apiKeyScopes: {
    variable: 'SOTTO_API_KEY_SCOPES',
    flag: null,
    type: someOf(SCOPES),
    default: 'transcribe,read',
    meaning: 'what SOTTO_API_KEY may do, separated by commas; admin is all of it, and managing keys',
    see: '[below](#keys)',
  },
  /** Of one API key, for each server; null: any number. */
  maxRequestsPerSecond: {
    variable: 'SOTTO_MAX_REQUESTS_PER_SECOND',
    flag: 'max-requests-per-second',
    type: orOff(count),
    default: 'off',
    meaning: 'requests of one API key that one server answers in a second; more are refused with 429',
    see: '[below](#limits)',
  },
  /** Of one API key, for each server; null: any number. */
  maxStreams: {
    variable: 'SOTTO_MAX_STREAMS',
    flag: 'max-streams',
    type: orOff(count),
    default: '1000',
    meaning:
      'event streams that one API key may have open at one server, and as many requests that wait; more streams are refused with 429, ' +
      'and more that would wait are answered at once',
    see: '[events](events.md#limits)',
  },
  pollUrlTtlSeconds: {
    variable: 'SOTTO_POLL_URL_TTL',
    flag: 'poll-url-ttl',
    type: named('seconds', integer(1, 366 * 86_400)),
    default: '604800',
    meaning: 'how long a poll URL may be used without an API key',
  },
  /** How long a client of the synchronous API waits at most. */
  syncTimeoutMs: {
    variable: 'SOTTO_SYNC_TIMEOUT',
    flag: 'sync-timeout',
    type: secondsAsMs(integer(1, 3600)),
    default: '120',
    meaning: 'how long a request to the synchronous API may wait for its result',
  },
  drainMs: {
    variable: 'SOTTO_DRAIN',
    flag: 'drain',
    type: secondsAsMs(integer(0, 3600)),
    default: '0',
    meaning:
      'how long a server that is asked to stop still answers, with /readyz saying 503, so that load balancers turn away first',
  },
  logLevel: {
    variable: 'SOTTO_LOG_LEVEL',
    flag: 'log-level',
    type: oneOf(LOG_LEVELS),
    default: 'info',
    meaning: 'how much is logged',
  },
} as const satisfies Settings

export type ServerConfig = Values<typeof SERVER_SETTINGS>
