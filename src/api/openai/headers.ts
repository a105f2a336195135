import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'

/** What OpenAI's clients look for on every answer of its routes, errors included: to be added to their plugin, before its routes. */
export function addAnswerHeaders(api: FastifyInstance): void {
  api.addHook('onRequest', (request, reply, done) => {
    // What the log calls it too.
    request.id = `req_${randomUUID().replaceAll('-', '')}`
    reply.header('x-request-id', request.id)
    done()
  })
  api.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('openai-processing-ms', String(Math.round(reply.elapsedTime)))
    done()
  })
}
