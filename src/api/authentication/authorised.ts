import type {
  FastifyInstance,
  FastifyRequest,
  RouteOptions,
  onRequestAsyncHookHandler,
  onRequestHookHandler,
} from 'fastify'
import type { Scope } from '../../contract/scope.ts'
import type { ApiContext } from '../context.ts'
import { noRoute } from '../errors/error-handler.ts'
import { errors } from '../schemas.ts'
import { authenticate, authenticateOrVerify, authenticateUpload, isGuess } from './authentication.ts'
import { KeyError } from './key-errors.ts'
import { requireScope } from './principal.ts'
import type { Principal } from './principal.ts'
import { isOpenAiPath, openAiRateHeaders, rateHeaders } from './rate-headers.ts'
import type { Quota, RateState } from './rate-headers.ts'
import { RequestRate } from './request-rate.ts'

/**
 * Who may ask: `open`, anybody; `key`, whoever has an API key; `poll`, also by the signature of a poll URL; `upload`, by the signature of an
 * upload URL.
 */
export type Access = 'open' | 'key' | 'poll' | 'upload'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `key` unless it is said. */
    readonly access?: Access
    /** What a key must be allowed to do; `any`: to be valid is enough. Unless it is said, `read` for GET and HEAD, else `transcribe`. */
    readonly scope?: Scope | 'any'
    /** Whether a short-lived token may stand in the query, for clients that can't send a header. */
    readonly takesQueryToken?: boolean
    /** Whether it is answered however often it is asked. */
    readonly unlimited?: boolean
  }
  interface FastifyRequest {
    /** The id of the API key that asks, or that the URL was signed for; empty where anybody may ask. */
    owner: string
    /** Who asks, and what they may do; null where anybody may ask. */
    principal: Principal | null
  }
}

/**
 * Finds out who asks on every route, before a byte of the body is read, whether they may, and holds how often. To be added before all
 * routes; hooks that are to come before it, such as answers to preflights, are added to the server or the plugin, not to the route.
 */
export function addAuthorisation(api: FastifyInstance, context: ApiContext): void {
  const { maxRequestsPerSecond } = context.settings
  const rate = new RequestRate()
  const quota: Quota | null =
    maxRequestsPerSecond === null ? null : { requests: maxRequestsPerSecond, window: 'second' }
  api.decorateRequest('owner', '')
  api.decorateRequest('principal', null)
  // A hook for each route: a common one would have to look the route up, on every poll.
  api.addHook('onRoute', (route) => {
    const access = accessOf(route)
    const hook =
      access === 'open'
        ? openHook(rate, route.config?.unlimited === true ? null : quota)
        : hookFor({ access, scope: scopeOf(route) ?? 'any', url: route.url }, context, { rate, quota })
    route.onRequest = [hook, ...[route.onRequest ?? []].flat()]
    if (access !== 'open' && route.schema?.response !== undefined) {
      route.schema.response = { ...errors(403, 429), ...route.schema.response }
    }
  })
  api.addHook('onRequest', (request, _reply, done) => {
    // Nothing of its body is read either.
    if (request.is404) {
      if (quota !== null) rate.take(addressOf(request), quota)
      throw noRoute(request)
    }
    done()
  })
}

type Route = Pick<RouteOptions, 'method' | 'url' | 'config'>

export function accessOf({ method, url, config }: Route): Access {
  return config?.access ?? (url.startsWith('/docs') || method === 'OPTIONS' ? 'open' : 'key')
}

/** What a route needs; null: nothing, not even a key. */
export function scopeOf(route: Route): Scope | 'any' | null {
  const access = accessOf(route)
  if (access === 'open') return null
  // To ask how far an upload has come is a part of it.
  if (access === 'upload') return 'transcribe'
  const reads = [route.method].flat().every((method) => method === 'GET' || method === 'HEAD')
  return route.config?.scope ?? (reads ? 'read' : 'transcribe')
}

function openHook(rate: RequestRate, quota: Quota | null): onRequestHookHandler {
  return (request, _reply, done) => {
    if (quota !== null) rate.take(addressOf(request), quota)
    done()
  }
}

interface Guarded {
  readonly access: Exclude<Access, 'open'>
  readonly scope: Scope | 'any'
  readonly url: string
}

interface Rates {
  readonly rate: RequestRate
  /** Of each key that has none of its own, and of each address without a valid one. */
  readonly quota: Quota | null
}

function hookFor(route: Guarded, context: ApiContext, { rate, quota }: Rates): onRequestAsyncHookHandler {
  const principalOf = PRINCIPALS[route.access]
  const headersOf = isOpenAiPath(route.url)
    ? (state: RateState) => ({ ...rateHeaders(state), ...openAiRateHeaders(state) })
    : rateHeaders
  /** Failed attempts are counted by address; past the limit the answer is 429. */
  const refused = (request: FastifyRequest, error: unknown): Error => {
    try {
      if (quota !== null) rate.take(addressOf(request), quota)
      return errorOf(error)
    } catch (tooMany) {
      return errorOf(tooMany)
    }
  }
  return async (request, reply) => {
    // Private: no shared cache may keep it.
    reply.header('cache-control', 'no-store')
    let principal: Principal
    try {
      // Brute force: past the limit, keys are not looked up any more.
      if (quota !== null && isGuess(request, context)) rate.requireRoom(addressOf(request), quota)
      principal = await principalOf(request, context)
    } catch (error) {
      throw refused(request, error)
    }
    const { key } = principal
    const own = quotaOf(principal, quota)
    if (own !== null) reply.headers(headersOf(rate.take(`key ${key.id}`, own)))
    if (route.scope !== 'any') requireScope(principal, route.scope)
    requireWithin(principal, request, route)
    request.owner = key.id
    request.principal = principal
    context.keyUses.note(key.id)
  }
}

/** A key's own quota for a minute is in the place of the server's for a second. */
function quotaOf({ key: { limits } }: Principal, quota: Quota | null): Quota | null {
  const { requestsPerMinute } = limits
  if (requestsPerMinute === undefined) return quota
  return requestsPerMinute === null ? null : { requests: requestsPerMinute, window: 'minute' }
}

const JOB_URL = '/v1/async/requests/:id'
/** Where uploads begin; they go on by their URLs. */
const UPLOAD_URLS: readonly string[] = ['/v1/input/upload-url']

/** @throws KeyError `key.token_confined` */
function requireWithin({ confinement }: Principal, { params }: FastifyRequest, { url }: Guarded): void {
  if (confinement === null) return
  if (confinement.to === 'uploads') {
    if (UPLOAD_URLS.includes(url)) return
    throw new KeyError(
      'key.token_confined',
      'This token is for uploads alone. Submit with an API key, or with another token.',
    )
  }
  const id: unknown = typeof params === 'object' && params !== null ? Reflect.get(params, 'id') : undefined
  if ((url === JOB_URL || url.startsWith(`${JOB_URL}/`)) && id === confinement.jobId) return
  throw new KeyError('key.token_confined', `This token is for the request ${confinement.jobId} alone.`)
}

const PRINCIPALS: Readonly<
  Record<Guarded['access'], (request: FastifyRequest, context: ApiContext) => Promise<Principal>>
> = { key: authenticate, poll: authenticateOrVerify, upload: authenticateUpload }

function addressOf(request: FastifyRequest): string {
  return `address ${request.ip}`
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error('a request could not be authorised', { cause: error })
}
