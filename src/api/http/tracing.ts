import { METHODS } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { readTraceparent } from '../../contract/tracing.ts'
import type { Span, SpanAttributes, Tracer, Traceparent } from '../../contract/tracing.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Null where it is not traced. */
    span: Span | null
  }
  interface FastifyContextConfig {
    /** Asked so often, by machines, that it would hide all else among the traces. */
    untraced?: true
  }
}

/**
 * A span for each request, from its head until its answer is sent or its client is gone. It names the route and not the path, which holds
 * what upload URLs are good for; and neither the query, the client nor its key. To be added before all routes. Adds no hook where nothing is
 * traced.
 */
export function addTracing(api: FastifyInstance, tracer: Tracer): void {
  api.decorateRequest('span', null)
  if (!tracer.isOn) return
  api.addHook('onRequest', (request, { raw }, done) => {
    const { url: route, config } = request.routeOptions
    if (config.untraced !== true) {
      const method = METHODS.includes(request.method) ? request.method : '_OTHER'
      const span = tracer.start(route === undefined ? method : `${method} ${route}`, {
        parent: readTraceparent(request.headers['traceparent']),
        kind: 'server',
        attributes: { 'http.request.method': method, 'url.scheme': request.protocol, ...routeOf(request) },
      })
      request.span = span
      raw.once('close', () => {
        const { statusCode: status, headersSent, writableFinished } = raw
        if (headersSent) span.set({ 'http.response.status_code': status })
        if (status >= 500) span.end({ error: String(status) })
        else span.end(writableFinished ? {} : { error: 'client_gone' })
      })
    }
    done()
  })
}

function routeOf({ routeOptions: { url: route }, params }: FastifyRequest): SpanAttributes {
  if (route === undefined) return {}
  const { id } = params as { readonly id?: unknown }
  const isJob = route.startsWith('/v1/async/requests/:id') && typeof id === 'string' && /^[\da-f-]{36}$/.test(id)
  return { 'http.route': route, ...(isJob ? { 'sotto.job.id': id } : {}) }
}

/** The trace that a job of this request belongs to: the server's own, else its client's. */
export function traceparentOf({ span, headers }: Pick<FastifyRequest, 'span' | 'headers'>): Traceparent | null {
  return span === null ? readTraceparent(headers['traceparent']) : span.traceparent
}

/** Tells a request's span which job came of it. */
export function noteJob({ span }: Pick<FastifyRequest, 'span'>, jobId: string): void {
  span?.set({ 'sotto.job.id': jobId })
}
