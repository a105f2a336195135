import type { Selectable } from 'kysely'
import { SCOPES } from '../../contract/scope.ts'
import type { Scope } from '../../contract/scope.ts'
import type { KeyLimits } from '../../jobs/job-store.ts'
import { dateOf } from '../../jobs/sql/job-row.ts'
import type { ApiKeysTable } from '../../jobs/sql/schema.ts'

/** Also an owner: jobs stay reachable when the variable's secret changes. */
export const ENVIRONMENT_ID = 'environment'

/** What a key that nobody said more about may do. */
export const USUAL_SCOPES: readonly Scope[] = ['transcribe', 'read']

/** What a key has in the place of the server's limits. A limit that is absent is the server's, null is none. */
export interface OwnLimits extends Partial<KeyLimits> {
  /** Instead of the server's for a second. */
  readonly requestsPerMinute?: number | null
}

/** In the order in which they are shown, with the columns that keep them. */
export const LIMIT_COLUMNS = {
  queuedJobs: 'queued_jobs',
  runningJobs: 'running_jobs',
  audioSecondsPerDay: 'audio_seconds_per_day',
  requestsPerMinute: 'requests_per_minute',
} as const satisfies Record<keyof OwnLimits, keyof ApiKeysTable>

export type LimitName = keyof typeof LIMIT_COLUMNS
export const LIMIT_NAMES = Object.keys(LIMIT_COLUMNS) as readonly LimitName[]
/** What a column of 32 bits holds. */
export const MAX_LIMIT = 2 ** 31 - 1

/** An id, or an alias. */
export const MODEL_NAME_PATTERN = String.raw`^[\w.:-]{1,96}(?:/[\w.:-]{1,96})?$`

/** What can be said of a key when it is made, and be changed. */
export interface KeyRules {
  readonly name: string
  /** With `admin`, all of them. */
  readonly scopes: readonly Scope[]
  /** Ids and aliases; null: any model. */
  readonly models: readonly string[] | null
  /** Null: it is valid until it is revoked. */
  readonly expiresAt: Date | null
  readonly limits: OwnLimits
}

export interface ApiKey extends KeyRules {
  readonly id: string
  /** The first characters of the secret; empty for the environment's. */
  readonly prefix: string
  readonly createdAt: Date
  /** Null: not yet, or before that was noted. */
  readonly lastUsedAt: Date | null
}

export interface NewApiKey extends ApiKey {
  readonly secret: string
}

export function isExpired({ expiresAt }: Pick<KeyRules, 'expiresAt'>, now = Date.now()): boolean {
  return expiresAt !== null && expiresAt.getTime() <= now
}

/** In their own order, each once; whoever may administer may do all the rest. */
export function normalScopes(scopes: readonly Scope[]): readonly Scope[] {
  return scopes.includes('admin') ? SCOPES : SCOPES.filter((scope) => scopes.includes(scope))
}

export function apiKeyOf(row: Selectable<ApiKeysTable>): ApiKey {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    createdAt: dateOf(row.created_at),
    scopes: SCOPES.filter((scope) => textsIn(row.scopes).includes(scope)),
    models: row.models === null ? null : textsIn(row.models),
    expiresAt: row.expires_at === null ? null : dateOf(row.expires_at),
    lastUsedAt: row.last_used_at === null ? null : dateOf(row.last_used_at),
    limits: Object.fromEntries(
      LIMIT_NAMES.flatMap((name) => {
        const value = row[LIMIT_COLUMNS[name]]
        return value === null ? [] : [[name, value === 0 ? null : value]]
      }),
    ),
  }
}

type RuleColumns = Pick<
  Selectable<ApiKeysTable>,
  'name' | 'scopes' | 'models' | 'expires_at' | (typeof LIMIT_COLUMNS)[LimitName]
>

/** The columns of those rules that are given. Limits come all together: one that is not among them is the server's. */
export function columnsOf({ name, scopes, models, expiresAt, limits }: Partial<KeyRules>): Partial<RuleColumns> {
  return {
    ...(name === undefined ? {} : { name }),
    ...(scopes === undefined ? {} : { scopes: JSON.stringify(normalScopes(scopes)) }),
    ...(models === undefined ? {} : { models: models === null ? null : JSON.stringify(models) }),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt === null ? null : expiresAt.getTime() / 1000 }),
    ...(limits === undefined
      ? {}
      : Object.fromEntries(
          LIMIT_NAMES.map((limit) => {
            const value = limits[limit]
            return [LIMIT_COLUMNS[limit], value === undefined ? null : (value ?? 0)]
          }),
        )),
  }
}

function textsIn(json: string): readonly string[] {
  const values: unknown = JSON.parse(json)
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : []
}
