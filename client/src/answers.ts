import { SottoError } from './errors.ts'
import type { JobBody, Segment, Transcript } from './types.ts'

// What comes from the server is looked at as far as this client relies on it; the rest is typed by the server's schema.

type Fields = Readonly<Record<string, unknown>>

export function fieldsOf(answer: unknown, what: string): Fields {
  if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) return answer as Fields
  throw invalid(`${what} is not an object`)
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value === 'string') return value
  throw invalid(`"${name}" is not a string`)
}

export function numberOf(fields: Fields, name: string): number {
  const value = fields[name]
  if (typeof value === 'number') return value
  throw invalid(`"${name}" is not a number`)
}

export function listOf(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name]
  if (Array.isArray(value)) return value
  throw invalid(`"${name}" is not a list`)
}

export function jobOf(answer: unknown): JobBody {
  const fields = fieldsOf(answer, 'a job')
  textOf(fields, 'id')
  textOf(fields, 'status')
  return fields as unknown as JobBody
}

export function segmentsOf(fields: Fields): readonly Segment[] {
  return listOf(fields, 'segments').map((segment) => {
    const given = fieldsOf(segment, 'a segment')
    numberOf(given, 'id')
    textOf(given, 'text')
    return given as unknown as Segment
  })
}

export function transcriptOf(answer: unknown): Transcript {
  const fields = fieldsOf(answer, 'a transcript')
  textOf(fields, 'text')
  segmentsOf(fields)
  return fields as unknown as Transcript
}

function invalid(what: string): SottoError {
  return new SottoError(`The server’s answer is not what was expected: ${what}.`, {
    code: 'answer.invalid',
    retryable: false,
  })
}
