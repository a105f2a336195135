import { BlockList, isIP } from 'node:net'

/** A range of addresses in CIDR notation, of either version. */
export class Network {
  readonly #family: 4 | 6
  readonly #base: string
  readonly #prefix: number
  readonly #members = new BlockList()

  private constructor(base: string, family: 4 | 6, prefix: number) {
    this.#family = family
    this.#base = base
    this.#prefix = prefix
    this.#members.addSubnet(base, prefix, familyName(family))
  }

  /** Of an address (`127.0.0.1`) or a range (`10.0.0.0/8`); undefined for anything else. */
  static parse(text: string): Network | undefined {
    const [base = '', prefixText, ...rest] = text.split('/')
    const family = isIP(base)
    if ((family !== 4 && family !== 6) || base.includes('%') || rest.length > 0) return undefined
    const bits = family === 6 ? 128 : 32
    const prefix = prefixText === undefined ? bits : Number(prefixText)
    if (prefixText !== undefined && (!/^\d{1,3}$/.test(prefixText) || prefix > bits)) return undefined
    return new Network(base, family, prefix)
  }

  /** @param address as `net.isIP` takes it, without a zone. One version never counts as the other: a mapped address is no IPv4 address here. */
  has(address: string): boolean {
    return isIP(address) === this.#family && this.#members.check(address, familyName(this.#family))
  }

  /** Whether all its addresses are in another one. */
  isWithin(other: Network): boolean {
    return this.#prefix >= other.#prefix && other.has(this.#base)
  }
}

/** @throws RangeError for what is no network: these are constants */
export function networks(...texts: readonly string[]): readonly Network[] {
  return texts.map((text) => {
    const network = Network.parse(text)
    if (network === undefined) throw new RangeError(`${text} is no network`)
    return network
  })
}

function familyName(family: 4 | 6): 'ipv4' | 'ipv6' {
  return family === 4 ? 'ipv4' : 'ipv6'
}
