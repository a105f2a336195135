import type { FastifyReply } from 'fastify'

/** Says that an answer depends on a header of the request, beside others that it may depend on. */
export function addVary(reply: FastifyReply, name: string): void {
  const before = reply.getHeader('vary')
  const names = before === undefined ? [] : String(before).split(', ')
  if (!names.includes(name)) reply.header('vary', [...names, name].join(', '))
}
