import { resolve } from 'node:path'
import type { ValueType } from './setting.ts'

export const text: ValueType<string> = { takes: 'text', expects: 'text', read: (value) => value }

/** An absolute path. */
export const folder: ValueType<string> = { takes: 'folder', expects: 'a folder', read: (value) => resolve(value) }

/** The same, called otherwise in the help. */
export function named<T>(takes: string, type: ValueType<T>): ValueType<T> {
  return { ...type, takes }
}

/** Null: off. */
export function orOff<T>(type: ValueType<T>): ValueType<T | null> {
  return {
    ...type,
    takes: `${type.takes}|off`,
    expects: `off, or ${type.expects}`,
    read: (value) => (value === 'off' ? null : type.read(value)),
  }
}

export function integer(minimum: number, maximum: number): ValueType<number> {
  const range = `from ${minimum} to ${maximum}`
  return {
    takes: 'number',
    range,
    expects: `an integer ${range}`,
    read: (value) => {
      const number = Number(value)
      return /^\d+$/.test(value) && number >= minimum && number <= maximum ? number : undefined
    },
  }
}

/** How many of something there may be. */
export const count: ValueType<number> = {
  takes: 'number',
  expects: 'an integer from 1 on',
  read: (value) => (/^\d{1,12}$/.test(value) && Number(value) >= 1 ? Number(value) : undefined),
}

/** Written in seconds, read as milliseconds. */
export function secondsAsMs(type: ValueType<number>): ValueType<number> {
  return {
    ...type,
    takes: 'seconds',
    read: (value) => {
      const seconds = type.read(value)
      return seconds === undefined ? undefined : seconds * 1000
    },
  }
}

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }

/** With a unit or in seconds, read as milliseconds. */
export const durationMs: ValueType<number> = {
  takes: 'time',
  expects: 'a time of at least a second, such as 3600, 12h or 30d',
  read: (value) => {
    const [, digits, unit] = /^(\d{1,9}) ?([smhd]?)$/i.exec(value) ?? []
    const seconds = Number(digits) * (SECONDS[unit?.toLowerCase() ?? ''] ?? Number.NaN)
    return seconds >= 1 ? seconds * 1000 : undefined
  },
}

const BYTES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

export const bytes: ValueType<number> = {
  takes: 'bytes',
  expects: 'a number of bytes, such as 1073741824, 500M or 5G',
  read: (value) => {
    const [, digits, unit] = /^(\d+) ?([kmgt]?)(?:i?b)?$/i.exec(value) ?? []
    const size = Number(digits) * (BYTES[unit?.toLowerCase() ?? ''] ?? Number.NaN)
    return Number.isSafeInteger(size) && size >= 1 ? size : undefined
  },
}

export const onOff: ValueType<boolean> = {
  takes: 'on|off',
  expects: 'on or off',
  read: (value) => {
    if (/^(on|true|1|yes)$/i.test(value)) return true
    return /^(off|false|0|no)$/i.test(value) ? false : undefined
  },
}

export function oneOf<Value extends string>(values: readonly Value[]): ValueType<Value> {
  return {
    takes: values.join('|'),
    expects: `one of ${values.join(', ')}`,
    read: (value) => values.find((known) => known === value),
  }
}

/** Separated by commas; an empty text is an empty list. */
export const list = listOf('a list', (item) => item)

/** @param readItem makes of an item the form that it has here; undefined: it is none that may be in the list */
export function listOf(expects: string, readItem: (item: string) => string | undefined): ValueType<readonly string[]> {
  return {
    takes: 'list',
    expects,
    read: (value) => {
      const given = items(value)
      const read = given.map(readItem).filter((item) => item !== undefined)
      return read.length === given.length ? read : undefined
    },
  }
}

/** At least one of them, in their own order. */
export function someOf<Value extends string>(values: readonly Value[]): ValueType<readonly Value[]> {
  return {
    takes: values.join(','),
    expects: `some of ${values.join(', ')}, separated by commas`,
    read: (value) => {
      const given = items(value)
      const found = values.filter((known) => given.includes(known))
      return found.length > 0 && found.length === new Set(given).size ? found : undefined
    },
  }
}

function items(value: string): readonly string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
