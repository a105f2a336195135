import { Resolver } from 'node:dns/promises'
import { lookup } from 'node:dns/promises'
import { OutboundError, refusedHost } from './errors.ts'

/** One answer of the DNS to a name: all its addresses, which are checked and connected to. */
export type Resolve = (name: string) => Promise<readonly string[]>

const TRY_MS = 2000
const TRIES = 2
/** There is no such name, or it has no address of this version. */
const LACKING: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME', 'EBADRESP', 'EFORMERR'])

/**
 * Asks the DNS by c-ares. The system's own `getaddrinfo` takes one of the four threads that files are read with for as long as a name
 * server lets it wait: whoever owns a zone could stop the server.
 * @param nameServers instead of the system's
 * @throws OutboundError
 */
export function dnsResolver(nameServers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES, maxTimeout: TRY_MS })
  if (nameServers !== undefined) resolver.setServers(nameServers)
  return async (name) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (addresses.length > 0) return addresses
    throw unresolved(answers.flatMap((answer): unknown[] => (answer.status === 'rejected' ? [answer.reason] : [])))
  }
}

/** As the system does it, by its file of hosts and its search list: for names that an operator has listed. */
export const systemResolver: Resolve = async (name) => {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address)
  } catch (error) {
    throw unresolved([error])
  }
}

function unresolved(reasons: readonly unknown[]): OutboundError {
  const cause = reasons.find((reason) => !LACKING.has(codeOf(reason)))
  if (cause === undefined) return refusedHost(reasons[0])
  return new OutboundError(
    'outbound.unresolved',
    'The URL’s host can’t be looked up now: the name servers do not answer.',
    {
      cause,
    },
  )
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
