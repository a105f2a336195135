import { isIP } from 'node:net'
import { networks } from './network.ts'
import type { Network } from './network.ts'

/**
 * What an address means for a server that others name URLs to. `loopback` and `metadata` (link-local, and where clouds answer their
 * machines) hand out what nobody outside is to have, so that only a network inside them allows them, never one that happens to span them.
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'metadata'

export const LOOPBACK = networks('127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128')

export const METADATA = networks(
  // Link-local, and in it the metadata of AWS, Azure, GCP, and of ECS (169.254.170.2).
  ...['169.254.0.0/16', 'fe80::/10'],
  // Alibaba, Oracle's former one, Azure's WireServer (in public space), AWS over IPv6, GCP over IPv6.
  ...['100.100.100.200/32', '192.0.0.192/32', '168.63.129.16/32', 'fd00:ec2::254/128', 'fd20:ce::254/128'],
)

/** IANA's special-purpose registry, and multicast. */
const PRIVATE_IPV4 = networks(
  ...['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24'],
  ...['192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
)

/** All that is given out; the rest is special, mapped and compatible addresses included. */
const [GLOBAL_UNICAST] = networks('2000::/3')
/** Teredo and its neighbours, documentation, 6to4, AS112. */
const PRIVATE_IPV6 = networks('2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '2620:4f:8000::/48')

/** A translator's well-known prefix: DNS64 makes such addresses for every host that has IPv4 alone. */
const [NAT64] = networks('64:ff9b::/96')

/** @param address as `net.isIP` takes it */
export function addressKind(address: string): AddressKind {
  const bare = withoutZone(address)
  const meant = NAT64?.has(bare) === true ? embeddedIpv4(bare) : bare
  const isIn = (ranges: readonly Network[]): boolean => ranges.some((range) => range.has(meant))
  if (isIn(LOOPBACK)) return 'loopback'
  if (isIn(METADATA)) return 'metadata'
  if (isIP(meant) === 4) return isIn(PRIVATE_IPV4) ? 'private' : 'public'
  return GLOBAL_UNICAST?.has(meant) === true && !isIn(PRIVATE_IPV6) ? 'public' : 'private'
}

export function withoutZone(address: string): string {
  return address.split('%')[0] ?? address
}

/** The last 32 bits, whichever way the address is written. */
function embeddedIpv4(address: string): string {
  // The URL parser writes each address in one way, without dots in it: `[64:ff9b::7f00:1]`.
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':')
  const [high = '0', low = '0'] = groups.slice(-2).map((group) => (group === '' ? '0' : group))
  const bits = Number.parseInt(high, 16) * 2 ** 16 + Number.parseInt(low, 16)
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join('.')
}
