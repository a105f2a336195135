import { isIP } from 'node:net'

// What settings take. Each turns text into a value, or throws an error whose message says what the text has to be.

export const text = (value: string): string => value

export function integer(minimum: number, maximum: number): (value: string) => number {
  return (value) => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < minimum || number > maximum) {
      throw new Error(`an integer from ${minimum} to ${maximum}`)
    }
    return number
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

export function bytes(value: string): number {
  const [, digits, unit] = /^(\d+) ?([kmgt]?)(?:i?b)?$/i.exec(value) ?? []
  const size = Number(digits) * (UNITS[unit?.toLowerCase() ?? ''] ?? Number.NaN)
  if (!Number.isSafeInteger(size) || size < 1) throw new Error('a number of bytes, such as 1073741824, 500M or 5G')
  return size
}

/** Null: off. */
export function bytesOrOff(value: string): number | null {
  if (value === 'off') return null
  try {
    return bytes(value)
  } catch {
    throw new Error('off, or a number of bytes, such as 1073741824, 500M or 5G')
  }
}

export function onOff(value: string): boolean {
  if (/^(on|true|1|yes)$/i.test(value)) return true
  if (/^(off|false|0|no)$/i.test(value)) return false
  throw new Error('on or off')
}

export function httpUrl(value: string): URL {
  const url = URL.parse(value)
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new Error('an http or https URL, such as https://sotto.example.com')
  }
  return url
}

export type EngineChoice = { readonly kind: 'local' } | { readonly kind: 'openai'; readonly baseUrl: string }

/** What runs the jobs. An address without a path gets the one that OpenAI's API has everywhere. */
export function engine(value: string): EngineChoice {
  if (value === 'local') return { kind: 'local' }
  const url = value.startsWith('openai:') ? URL.parse(value.slice('openai:'.length)) : null
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === ''
  if (!isUsable || url.username !== '' || url.password !== '') {
    throw new Error('local, or openai:<URL> without a user and password, such as openai:http://gpu.example.com:8000/v1')
  }
  return { kind: 'openai', baseUrl: url.origin + (url.pathname === '/' ? '/v1' : url.pathname.replace(/\/+$/, '')) }
}

export type PayloadsChoice =
  | { readonly kind: 'folder' }
  /** `prefix` stands before each key, without a slash at its ends; empty: nothing. */
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

const BUCKET = /^[a-z\d][a-z\d.-]{1,61}[a-z\d]$/
/** What keys may consist of; as long as leaves room for them within S3's 1,024 bytes. */
const PREFIX = /^(?:[\w-][\w.-]*(?:\/[\w-][\w.-]*)*)?$/
const MAX_PREFIX_LENGTH = 512

/** Where recordings and results lie. */
export function payloads(value: string): PayloadsChoice {
  if (value === 'folder') return { kind: 'folder' }
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(value) ?? []
  const prefix = path.replace(/\/$/, '')
  if (!BUCKET.test(bucket) || !PREFIX.test(prefix) || prefix.length > MAX_PREFIX_LENGTH) {
    throw new Error('folder, or s3://<bucket> or s3://<bucket>/<prefix>, such as s3://recordings/sotto')
  }
  return { kind: 's3', bucket, prefix }
}

/** What can stand in a header. */
export function headerText(value: string): string {
  if (!/^[\x21-\x7e]+$/.test(value)) throw new Error('visible ASCII characters')
  return value
}

export function list(value: string): readonly string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

export function oneOf<Value extends string>(values: readonly Value[]): (value: string) => Value {
  return (value) => {
    const found = values.find((known) => known === value)
    if (found === undefined) throw new Error(`one of ${values.join(', ')}`)
    return found
  }
}

/** Addresses and CIDR ranges. */
export function addresses(value: string): readonly string[] {
  const items = list(value)
  for (const item of items) {
    const [address = '', prefix, ...rest] = item.split('/')
    const bits = isIP(address) === 6 ? 128 : 32
    const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits)
    if (isIP(address) === 0 || !isPrefix || rest.length > 0) {
      throw new Error('addresses or CIDR ranges separated by commas, such as 10.0.0.1,192.168.0.0/16')
    }
  }
  return items
}

/** Origins as browsers write them, of whatever scheme; or `*`: any. */
export function origins(value: string): readonly string[] {
  return list(value).map((item) => {
    const url = URL.parse(item)
    if (item === '*') return item
    // Those of other schemes than the web's, as of desktop programs, have no form of their own.
    const isBare = url !== null && url.host !== '' && /^[a-z][a-z\d+.-]*:\/\/[^/?#\s*@]+\/?$/i.test(item)
    if (isBare) return url.origin === 'null' ? item.replace(/\/$/, '') : url.origin
    throw new Error('origins separated by commas, such as https://app.example.com,http://localhost:3000, or *')
  })
}

export function apiKey(value: string): string {
  if (!/^[\w.~+/=-]{16,256}$/.test(value)) {
    throw new Error('16 to 256 characters from letters, digits and - . _ ~ + / =')
  }
  return value
}

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }

/** Milliseconds; null: off. */
export function durationOrOff(value: string): number | null {
  if (value === 'off') return null
  const [, digits, unit] = /^(\d{1,9}) ?([smhd]?)$/i.exec(value) ?? []
  const seconds = Number(digits) * (SECONDS[unit?.toLowerCase() ?? ''] ?? Number.NaN)
  if (!(seconds >= 1)) throw new Error('off, or a time of at least a second, such as 3600, 12h or 30d')
  return seconds * 1000
}

/** Null: off. */
export function countOrOff(value: string): number | null {
  if (value === 'off') return null
  if (!/^\d{1,12}$/.test(value) || Number(value) < 1) throw new Error('off, or an integer from 1 on')
  return Number(value)
}

/** PostgreSQL's; the rest of it is the driver's to read. */
export function databaseUrl(value: string): string {
  const url = URL.parse(value)
  if (url === null || !/^postgres(?:ql)?:$/.test(url.protocol)) {
    throw new Error('a URL of PostgreSQL, such as postgres://sotto:secret@db.example.com:5432/sotto')
  }
  return value
}

/** At least one of them. */
export function someOf<Value extends string>(values: readonly Value[]): (value: string) => readonly Value[] {
  return (value) => {
    const items = list(value)
    const found = values.filter((known) => items.includes(known))
    if (found.length === 0 || found.length < new Set(items).size)
      throw new Error(`some of ${values.join(', ')}, separated by commas`)
    return found
  }
}
