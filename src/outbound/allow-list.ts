import { LOOPBACK, METADATA, addressKind, withoutZone } from './address-kinds.ts'
import { Network } from './network.ts'

/** What an operator lets URLs name beyond the public internet (`SOTTO_FETCH_ALLOW`). */
export class AllowList {
  readonly #networks: readonly Network[]
  readonly #names: ReadonlySet<string>
  /** Of `*.example.com`, with the dot. */
  readonly #suffixes: readonly string[]

  /** @param entries networks (`10.0.0.0/8`), addresses, names (`nas.lan`) and `*.corp.example`: all names below */
  constructor(entries: readonly string[]) {
    const read = entries.map((entry) => Network.parse(entry) ?? entry.toLowerCase())
    const names = read.filter((entry) => typeof entry === 'string')
    this.#networks = read.filter((entry) => typeof entry !== 'string')
    this.#names = new Set(names.filter((name) => !name.startsWith('*')))
    this.#suffixes = names.filter((name) => name.startsWith('*')).map((name) => name.slice(1))
  }

  /** Whether a name was listed, alone or with others. */
  hasName(name: string): boolean {
    return this.#names.has(name) || this.#suffixes.some((suffix) => name.endsWith(suffix))
  }

  /** @param name what resolved to the address; the address itself where it was named */
  allows(address: string, name: string): boolean {
    const bare = withoutZone(address)
    const listed = this.#networks.filter((network) => network.has(bare))
    const isListedWithin = (ranges: readonly Network[]): boolean =>
      listed.some((network) => ranges.some((range) => network.isWithin(range)))
    switch (addressKind(bare)) {
      case 'public':
        return true
      case 'private':
        return listed.length > 0 || this.hasName(name)
      case 'loopback':
        return isListedWithin(LOOPBACK) || this.#names.has(name)
      case 'metadata':
        return isListedWithin(METADATA)
    }
  }
}
