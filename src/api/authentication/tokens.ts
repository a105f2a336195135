import { createHmac, timingSafeEqual } from 'node:crypto'
import Type from 'typebox'
import { Check } from 'typebox/value'
import { SCOPES } from '../../contract/scope.ts'
import type { Scope } from '../../contract/scope.ts'
import type { ApiContext } from '../context.ts'
import { isExpired } from './api-key.ts'
import { mayUse, principalOf } from './principal.ts'
import type { Confinement, Principal } from './principal.ts'
import { markOf } from './signatures.ts'

const PREFIX = 'sotto_token_'
/** Longer ones are none: what a header may carry is bounded. */
export const MAX_TOKEN_LENGTH = 4096

export interface TokenClaims {
  readonly keyId: string
  readonly scopes: readonly Scope[]
  /** Null: those of the key. */
  readonly models: readonly string[] | null
  readonly expiresAt: Date
  readonly confinement: Confinement | null
}

/** What is signed, with short names: a token travels with each request. */
const Payload = Type.Object({
  /** Id of the key. */
  k: Type.String(),
  /** Marks the key's secret, where it may change. */
  g: Type.Optional(Type.String()),
  /** Seconds since 1970. */
  e: Type.Integer(),
  s: Type.Array(Type.Enum(SCOPES)),
  m: Type.Optional(Type.Array(Type.String())),
  /** Id of the only job. */
  j: Type.Optional(Type.String()),
  /** Uploads alone. */
  u: Type.Optional(Type.Literal(true)),
})

type Signing = Pick<ApiContext, 'apiKeys' | 'signingSecret'>

/** Whether a text is meant as a token, be it valid or not. */
export function isToken(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** A token that holds as long as its key does, and until its time. Every server that shares the secret knows it without having it stored. */
export async function signToken(claims: TokenClaims, { apiKeys, signingSecret }: Signing): Promise<string> {
  const { keyId, scopes, models, expiresAt, confinement } = claims
  const generation = (await apiKeys.generation(keyId)) ?? ''
  const payload: Type.Static<typeof Payload> = {
    k: keyId,
    ...(generation === '' ? {} : { g: markOf(generation, signingSecret) }),
    e: Math.floor(expiresAt.getTime() / 1000),
    s: [...scopes],
    ...(models === null ? {} : { m: [...models] }),
    ...(confinement?.to === 'job' ? { j: confinement.jobId } : {}),
    ...(confinement?.to === 'uploads' ? { u: true as const } : {}),
  }
  const text = Buffer.from(JSON.stringify(payload)).toString('base64url')
  return `${PREFIX}${text}.${macOf(text, signingSecret)}`
}

export type TokenVerdict =
  | { readonly outcome: 'valid'; readonly principal: Principal }
  /** Its time is over; its key is gone; nobody here has made it. */
  | { readonly outcome: 'expired' | 'revoked' | 'unknown' }

/** Whose token it is, and what that may do by now: no more than its key. */
export async function verifyToken(token: string, { apiKeys, signingSecret }: Signing): Promise<TokenVerdict> {
  const payload = payloadOf(token, signingSecret)
  if (payload === undefined) return { outcome: 'unknown' }
  const expiresAt = new Date(payload.e * 1000)
  if (isExpired({ expiresAt })) return { outcome: 'expired' }
  // The key is looked up only when the MAC is right: a forged token costs no query.
  const generation = await apiKeys.generation(payload.k)
  const key = await apiKeys.find(payload.k)
  if (key === undefined || generation === undefined) return { outcome: 'revoked' }
  if ((payload.g ?? '') !== (generation === '' ? '' : markOf(generation, signingSecret))) return { outcome: 'revoked' }
  const own = principalOf(key)
  const models = payload.m?.filter((model) => mayUse(own, model)) ?? own.models
  const scopes = own.scopes.filter((scope) => payload.s.includes(scope))
  return {
    outcome: 'valid',
    principal: { key, by: 'token', scopes, models, expiresAt, confinement: confined(payload) },
  }
}

function confined({ j, u }: Type.Static<typeof Payload>): Confinement | null {
  if (j !== undefined) return { to: 'job', jobId: j }
  return u === true ? { to: 'uploads' } : null
}

function payloadOf(token: string, signingSecret: Buffer): Type.Static<typeof Payload> | undefined {
  const [text = '', mac = '', ...more] = token.slice(PREFIX.length).split('.')
  if (!isToken(token) || token.length > MAX_TOKEN_LENGTH || more.length > 0) return undefined
  if (!equal(Buffer.from(mac), Buffer.from(macOf(text, signingSecret)))) return undefined
  const payload: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
  return Check(Payload, payload) ? payload : undefined
}

/** The first words keep it apart from all else that is signed with the secret. */
function macOf(text: string, signingSecret: Buffer): string {
  return createHmac('sha256', signingSecret).update(`token ${text}`).digest('base64url')
}

function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
