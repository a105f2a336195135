/** Fields that hold integers in the reference; all other numbers are floats there. */
const INTEGERS: ReadonlySet<string> = new Set(['id', 'seek', 'tokens'])
const NON_ASCII = /[\u007f-\uffff]/g

/** JSON as Python's `json.dumps` writes it: one line, a blank behind each comma and colon, all but ASCII escaped. */
export function pythonJson(value: unknown, field = ''): string {
  if (typeof value === 'number') return INTEGERS.has(field) ? String(value) : pythonFloat(value)
  if (typeof value === 'string') return escaped(value)
  if (Array.isArray(value)) return `[${value.map((each: unknown) => pythonJson(each, field)).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return `{${fields.map(([name, inner]) => `${escaped(name)}: ${pythonJson(inner, name)}`).join(', ')}}`
}

function escaped(text: string): string {
  return JSON.stringify(text).replaceAll(NON_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The shortest digits that give the number again, which JavaScript has as well, in Python's notation. */
function pythonFloat(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  }
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
