import type { FastifyRequest } from 'fastify'
import type { Scope } from '../../contract/scope.ts'
import type { ApiKey } from './api-key.ts'
import { KeyError } from './key-errors.ts'

/** What a short-lived token is for, and for nothing else. */
export type Confinement = { readonly to: 'job'; readonly jobId: string } | { readonly to: 'uploads' }

/** Who asks: an API key, or what was made with one. */
export interface Principal {
  readonly key: ApiKey
  /** The key itself, a short-lived token, or the signature of a poll or upload URL. */
  readonly by: 'key' | 'token' | 'signature'
  readonly scopes: readonly Scope[]
  /** Ids and aliases; null: any model. */
  readonly models: readonly string[] | null
  readonly expiresAt: Date | null
  readonly confinement: Confinement | null
}

export function principalOf(key: ApiKey): Principal {
  const { scopes, models, expiresAt } = key
  return { key, by: 'key', scopes, models, expiresAt, confinement: null }
}

/** Whoever a URL was signed for: it may do what the URL is for, whatever the key's own scopes. */
export function signatureOf(key: ApiKey, scope: Scope): Principal {
  return { ...principalOf(key), by: 'signature', scopes: [scope] }
}

/** @throws KeyError `key.scope_missing` */
export function requireScope({ by, scopes }: Principal, scope: Scope): void {
  if (scopes.includes(scope)) return
  const has = scopes.length === 0 ? 'none' : scopes.join(' and ')
  const whose = { key: 'this API key', token: 'this token', signature: 'this URL’s signature' }[by]
  throw new KeyError('key.scope_missing', `This needs the scope ${scope}; ${whose} has ${has}.`, scope)
}

/** Whether a model may be used, by its id or by the alias that it was asked for by. */
export function mayUse({ models }: Pick<Principal, 'models'>, id: string, asked: string = id): boolean {
  return models === null || models.includes(id) || models.includes(asked)
}

/**
 * For each request that has a model run.
 * @param asked the alias that it was asked for by
 * @throws KeyError `key.model_forbidden`
 */
export function requireModel({ principal }: FastifyRequest, id: string, asked: string = id): void {
  if (principal === null || mayUse(principal, id, asked)) return
  const models = principal.models?.join(', ')
  throw new KeyError('key.model_forbidden', `This API key may not use ${asked.slice(0, 200)}. It may use ${models}.`)
}

/**
 * Whose jobs a request asks for by its parameter `key`: the own ones without it, a key's, or all keys' (null) with `*`. Others' are an
 * administrator's to see.
 * @throws KeyError `key.scope_missing`
 */
export function keyAskedFor({ owner, principal }: FastifyRequest, asked: string | undefined): string | null {
  if (asked === undefined || asked === owner) return owner
  if (principal !== null) requireScope(principal, 'admin')
  return asked === '*' ? null : asked
}
