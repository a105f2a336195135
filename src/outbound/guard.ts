import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { callbackify } from 'node:util'
import { AllowList } from './allow-list.ts'
import { OutboundError, refusedHost } from './errors.ts'
import { dnsResolver, systemResolver } from './resolver.ts'
import type { Resolve } from './resolver.ts'
import { hostOf, isLocalName, parseOutboundUrl } from './url-rules.ts'

export interface GuardOptions {
  /** `SOTTO_FETCH_ALLOW`: networks, addresses and names that may be reached beyond the public internet. */
  readonly allow: readonly string[]
  /** Of names that are not listed. */
  readonly resolve?: Resolve
}

/** Whoever submits is not to wait for somebody's name server. */
const JUDGEMENT_MS = 3000

/**
 * Decides which URLs that clients name this server may ask. They are judged when they are handed in, and each connection anew: what counts
 * is the addresses that it is made to, which are those that were checked.
 */
export class OutboundGuard {
  readonly #allow: AllowList
  readonly #resolve: Resolve

  constructor({ allow, resolve = dnsResolver() }: GuardOptions) {
    this.#allow = new AllowList(allow)
    this.#resolve = resolve
  }

  /**
   * The URL, parsed, if it may be asked as things are. It ends within three seconds: a name that nobody resolves in that time passes, to be
   * judged again when it is connected to.
   * @throws OutboundError `outbound.refused`, with a message for the client
   */
  async judge(text: string | URL, signal: AbortSignal): Promise<URL> {
    const url = parseOutboundUrl(text)
    const host = this.requireHost(url.hostname)
    if (isIP(host) !== 0) return url
    const ended = new AbortController()
    const late = delay(JUDGEMENT_MS, undefined, { signal: AbortSignal.any([signal, ended.signal]) })
    try {
      await Promise.race([this.addressesOf(host), late])
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof OutboundError) || error.code === 'outbound.refused') throw error
    } finally {
      ended.abort()
      await late.catch(() => undefined)
    }
    return url
  }

  /**
   * The name or the address of a URL's host, if it may be asked by what is known without the DNS. Literal addresses are checked here: a
   * lookup hook is never called for them.
   * @throws OutboundError `outbound.refused`
   */
  requireHost(hostname: string): string {
    const host = hostOf(hostname)
    const isAllowed =
      isIP(host) === 0
        ? host !== '' && (!isLocalName(host) || this.#allow.hasName(host))
        : this.#allow.allows(host, host)
    if (!isAllowed) throw refusedHost()
    return host
  }

  /**
   * The addresses of a name, all of which may be reached: one that may not refuses the name.
   * @throws OutboundError
   */
  async addressesOf(name: string): Promise<readonly string[]> {
    const resolve = this.#allow.hasName(name) ? systemResolver : this.#resolve
    const addresses = await resolve(name)
    if (addresses.length === 0 || !addresses.every((address) => this.#allow.allows(address, name))) throw refusedHost()
    return addresses
  }

  /** For `net.connect`, which connects to what this gives it and asks nobody else: the check and the connection share one answer. */
  readonly lookup: LookupFunction = (hostname, { all }, callback) => {
    this.#lookedUp(hostname, (error, addresses) => {
      const found = (addresses ?? []).map((address) => ({ address, family: isIP(address) }))
      const [first = { address: '', family: 0 }] = found
      // Happy Eyeballs asks for all of them.
      if (all === true) callback(error, found)
      else callback(error, first.address, first.family)
    })
  }

  readonly #lookedUp = callbackify(
    async (hostname: string): Promise<readonly string[]> => await this.addressesOf(this.requireHost(hostname)),
  )
}
