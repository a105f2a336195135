import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler, onRequestHookHandler } from 'fastify'
import { authenticate, authenticateOrVerify, isGuess, requireValid, verify } from './authentication.ts'
import type { ApiContext } from '../context.ts'
import { noRoute } from '../errors/error-handler.ts'
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
    /** Whether it is answered however often it is asked. */
    readonly unlimited?: boolean
  }
  interface FastifyRequest {
    /** The id of the API key that asks, or that the URL was signed for; empty where anybody may ask. */
    owner: string
  }
}

/**
 * Finds out who asks on every route, before a byte of the body is read, and holds what one may ask in a second. To be added before all
 * routes; hooks that are to come before it, such as answers to preflights, are added to the server or the plugin, not to the route.
 */
export function addAuthorisation(api: FastifyInstance, context: ApiContext): void {
  const { maxRequestsPerSecond } = context.settings
  const rate = maxRequestsPerSecond === null ? null : new RequestRate(maxRequestsPerSecond)
  api.decorateRequest('owner', '')
  // A hook for each route: a common one would have to look the route up, on every poll.
  api.addHook('onRoute', (route) => {
    const isReference = route.url.startsWith('/docs')
    const access = route.config?.access ?? (isReference || route.method === 'OPTIONS' ? 'open' : 'key')
    const hook = access === 'open' ? openHook(rate, route.config?.unlimited === true) : hookFor(access, context, rate)
    route.onRequest = [hook, ...[route.onRequest ?? []].flat()]
  })
  api.addHook('onRequest', (request, _reply, done) => {
    // Nothing of its body is read either.
    if (request.is404) {
      rate?.take(addressOf(request))
      throw noRoute(request)
    }
    done()
  })
}

function openHook(rate: RequestRate | null, isUnlimited: boolean): onRequestHookHandler {
  return (request, _reply, done) => {
    if (!isUnlimited) rate?.take(addressOf(request))
    done()
  }
}

function hookFor(
  access: Exclude<Access, 'open'>,
  context: ApiContext,
  rate: RequestRate | null,
): onRequestAsyncHookHandler {
  const ownerOf = OWNERS[access]
  const admit = (request: FastifyRequest, owner: string): void => {
    rate?.take(`key ${owner}`)
    request.owner = owner
  }
  /** Failed attempts are counted by address; past the limit the answer is 429. */
  const refused = (request: FastifyRequest, error: unknown): Error => {
    try {
      rate?.take(addressOf(request))
      return errorOf(error)
    } catch (tooMany) {
      return errorOf(tooMany)
    }
  }
  return async (request, reply) => {
    // Private: no shared cache may keep it.
    reply.header('cache-control', 'no-store')
    let owner: string
    try {
      // Brute force: past the limit, keys are not looked up any more.
      if (rate !== null && isGuess(request, context)) rate.requireRoom(addressOf(request))
      owner = await ownerOf(request, context)
    } catch (error) {
      throw refused(request, error)
    }
    admit(request, owner)
  }
}

const OWNERS: Readonly<
  Record<Exclude<Access, 'open'>, (request: FastifyRequest, context: ApiContext) => Promise<string>>
> = {
  key: authenticate,
  poll: authenticateOrVerify,
  upload: (request, context) => requireValid(verify(request, 'PUT', context)),
}

function addressOf(request: FastifyRequest): string {
  return `address ${request.ip}`
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error('a request could not be authorised', { cause: error })
}
