import type { FastifyRequest } from 'fastify'

/** A weak one: a job's place in the queue changes while it stays the same. */
export function etagOf(version: string): string {
  return `W/"${version}"`
}

/** Whether a request names this version of a job as one that it has, by If-None-Match. */
export function matches({ headers }: FastifyRequest, version: string): boolean {
  const { 'if-none-match': tags } = headers
  if (tags === undefined) return false
  return tags.split(',').some((tag) => {
    const [, own] = /^(?:W\/)?"([^"]*)"$/.exec(tag.trim()) ?? []
    return own === version || tag.trim() === '*'
  })
}
