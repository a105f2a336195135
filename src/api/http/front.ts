import type { FastifyInstance, FastifyRequest } from 'fastify'
import { BytesInFlight } from '../bodies/bytes-in-flight.ts'
import type { Hold } from '../bodies/bytes-in-flight.ts'
import { hasBody } from './connection.ts'
import { ApiError } from '../errors/api-error.ts'
import type { RequestLimits } from './request-limits.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The Content-Type as it was sent, whatever that is; empty when there was none. */
    contentType: string
    /** What it holds of the bytes in flight; null while it has no body. */
    held: { readonly json: Hold; readonly sync: Hold } | null
  }
}

/** What holds for every request, before it is known who asks. To be added before all routes. */
export function addFront(api: FastifyInstance, limits: RequestLimits): void {
  const json = new BytesInFlight(limits.jsonBytesInFlight)
  const sync = new BytesInFlight(limits.syncBytesInFlight)
  api.decorateRequest('contentType', '')
  api.decorateRequest('held', null)
  api.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff')
    if (hasSeveralHosts(request)) throw new ApiError(400, 'The request has more than one Host header.')
    const { headers } = request
    const type = headers['content-type']
    if (type !== undefined) {
      request.contentType = type
      // Fastify would refuse what is no media type before it asks any parser.
      headers['content-type'] = 'application/octet-stream'
    }
    if (hasBody(request)) {
      const held = { json: json.hold(request), sync: sync.hold(request) }
      request.held = held
      reply.raw.once('close', () => {
        held.json[Symbol.dispose]()
        held.sync[Symbol.dispose]()
      })
    }
    done()
  })
}

/** Node takes the first of them, and a proxy before it perhaps the last. */
function hasSeveralHosts({ raw: { rawHeaders } }: FastifyRequest): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  return hosts > 1
}
