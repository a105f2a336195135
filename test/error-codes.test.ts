import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { statusOf } from '../src/api/error-status.ts'
import { PROJECT } from './support/server.ts'

const read = (path: string): string => readFileSync(join(PROJECT, path), 'utf8')

/** The members of the unions of codes that a room declares. */
function codesOf(room: string): readonly string[] {
  return [...read(`src/${room}/errors.ts`).matchAll(/[=|] '([a-z]+\.[a-z_]+)'/gm)].map(([, code = '']) => code)
}

/** What jobs fail with, as the table of docs/api.md has it. */
function documentedCodes(): readonly string[] {
  const rows = read('docs/api.md').matchAll(/^\| ((?:`[a-z]+\.[a-z_]+`(?:, )?)+) \|/gm)
  return [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code))
}

/** Those of a start, and those of bugs, which no job fails with. */
const OF_NO_JOB = new Set([
  ...['store.unavailable', 'store.in_use', 'store.newer_schema', 'store.damaged', 'store.refused', 'recording.gone'],
  ...['idempotency.mismatch', 'secret.invalid', 'device.unavailable'],
  ...['payload.too_large', 'payload.interrupted', 'payload.incomplete', 'payload.invalid_key', 'payload.wrong_offset'],
  ...['payload.wrong_length', 'payload.complete', 'payload.superseded', 'model.name_invalid', 'limit.reached'],
])

/** Answered with 500: this server's, or its operator's, to look at. */
const OF_THE_SERVER = new Set([
  ...['store.in_use', 'store.newer_schema', 'store.damaged', 'store.refused', 'secret.invalid', 'device.unavailable'],
  ...['payload.invalid_key', 'model.name_invalid'],
  ...['engine.crashed', 'engine.failed', 'engine.bad_result', 'engine.bad_answer', 'server.failed'],
  ...['job.crashed', 'job.unreadable', 'job.timeout'],
])

/** They stand in the same tables, and fail nothing. */
const isWarning = (code: string): boolean =>
  /^audio\.(?:gap|track_chosen|channel_chosen|shorter_than_announced)$/.test(code)

describe('codes of errors', () => {
  const declared = ['jobs', 'payloads', 'hub', 'models', 'speech'].flatMap(codesOf)
  const documented = documentedCodes().filter((code) => !isWarning(code))

  test('are found', () => {
    expect(declared.length).toBeGreaterThan(40)
    expect(documented.length).toBeGreaterThan(40)
  })

  test('that a synchronous request can meet have a status, or are the server’s', () => {
    const without = new Set([...declared, ...documented].filter((code) => statusOf(code) === undefined))
    expect([...without].toSorted()).toEqual([...OF_THE_SERVER].toSorted())
  })

  test('that a job can fail with are documented', () => {
    expect(declared.filter((code) => !OF_NO_JOB.has(code) && !documented.includes(code))).toEqual([])
  })
})
