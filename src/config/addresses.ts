import { isIP } from 'node:net'
import type { ValueType } from './setting.ts'
import { listOf } from './value-types.ts'

export const httpUrl: ValueType<URL> = {
  takes: 'url',
  expects: 'an http or https URL, such as https://sotto.example.com',
  read: (value) => {
    const url = URL.parse(value)
    return url !== null && isPlainHttp(url) ? url : undefined
  },
}

/** Something can be appended to it. */
export function isPlainHttp({ protocol, search, hash }: URL): boolean {
  return /^https?:$/.test(protocol) && search === '' && hash === ''
}

/** Addresses and CIDR ranges. */
export const addressRanges = listOf(
  'addresses or CIDR ranges separated by commas, such as 10.0.0.1,192.168.0.0/16',
  (item) => (isAddressRange(item) ? item : undefined),
)

/** Addresses, CIDR ranges and names of hosts; `*.corp.example` stands for all names below. */
export const reachable = listOf(
  'addresses, CIDR ranges and hosts separated by commas, such as 192.168.0.0/16,nas.lan,*.corp.example',
  (item) => {
    if (isAddressRange(item)) return item
    // What looks like an address and is none would otherwise be a name that nobody has.
    const isName = /^(?:\*\.)?[a-z\d_][\w-]{0,62}(?:\.[a-z\d_][\w-]{0,62})*$/i.test(item) && !/(?:^|\.)\d+$/.test(item)
    return isName ? item.toLowerCase() : undefined
  },
)

function isAddressRange(item: string): boolean {
  const [address = '', prefix, ...rest] = item.split('/')
  const bits = isIP(address) === 6 ? 128 : 32
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
  return isIP(address) !== 0 && !address.includes('%') && isPrefix && rest.length === 0
}

/** As browsers write them, of whatever scheme; or `*`: any. */
export const origins = listOf(
  'origins separated by commas, such as https://app.example.com,http://localhost:3000, or *',
  (item) => {
    const url = URL.parse(item)
    if (item === '*') return item
    // Those of other schemes than the web's, as of desktop programs, have no form of their own.
    const isBare = url !== null && url.host !== '' && /^[a-z][a-z\d+.-]*:\/\/[^/?#\s*@]+\/?$/i.test(item)
    if (!isBare) return undefined
    return url.origin === 'null' ? item.replace(/\/$/, '') : url.origin
  },
)
