import type { FastifyReply } from 'fastify'

/** Aborted when the client leaves, from the request's beginning on. */
export function goneOf({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController()
  if (raw.destroyed) gone.abort()
  else raw.once('close', () => gone.abort())
  return gone.signal
}
