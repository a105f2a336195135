import type { FormEntry } from '../bodies/form.ts'

/** Hand-written clients print values that are none. */
const ABSENT = new Set(['', 'null', 'undefined', 'None'])

/** The fields of a form as clients in many languages spell them. */
export class FormFields {
  readonly #entries: readonly FormEntry[]

  constructor(entries: readonly FormEntry[]) {
    this.#entries = entries.filter(([, value]) => !ABSENT.has(value.trim()))
  }

  /** Undefined when it is left out, empty or `null`; of several the last one. */
  text(name: string): string | undefined {
    return this.#entries.findLast(([each]) => each === name)?.[1]
  }

  /** A list, with brackets behind its name or without, repeated, as JSON, or separated by commas. */
  list(name: string): readonly string[] {
    const spelling = new RegExp(`^${name}(?:\\[\\d*\\])?$`)
    return this.#entries.filter(([each]) => spelling.test(each)).flatMap(([, value]) => itemsOf(value))
  }

  /** Whether there is such a field, be it as a list or an object. */
  has(name: string): boolean {
    return this.#entries.some(([each]) => each === name || each.startsWith(`${name}[`))
  }

  /** Names of all fields, without their brackets. */
  get names(): readonly string[] {
    return [...new Set(this.#entries.map(([name]) => name.replace(/\[.*$/, '')))]
  }
}

function itemsOf(value: string): readonly string[] {
  const json = value.trim().startsWith('[') ? parsed(value) : undefined
  const items = Array.isArray(json) ? json.filter((item) => typeof item === 'string') : value.split(',')
  return items.map((item) => item.trim()).filter((item) => item !== '')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
