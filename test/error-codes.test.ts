import { describe, expect, test } from 'vitest'
import { ERROR_STATUS, statusOf } from '../src/api/errors/error-status.ts'
import { ERROR_CODES, JOB_ERROR_CODES } from '../src/contract/error-codes.ts'
import { API_PAGE, markdownTable, withTable } from './support/documented-table.ts'

/** Answered with 500: this server's, or its operator's, to look at. */
const OF_THE_SERVER = [
  ...['store.in_use', 'store.newer_schema', 'store.damaged', 'store.refused', 'secret.invalid', 'device.unavailable'],
  ...['payload.invalid_key', 'model.name_invalid', 'config.invalid', 'request.refused', 'sandbox.unavailable'],
  ...['engine.crashed', 'engine.failed', 'engine.bad_result', 'engine.bad_answer', 'engine.aborted', 'server.failed'],
  ...['job.crashed', 'job.unreadable', 'job.timeout'],
]

describe('codes of errors', () => {
  test('name their kind and what is wrong', () => {
    for (const code of Object.keys(ERROR_CODES)) expect(code).toMatch(/^[a-z]+\.[a-z_]+$/)
  })

  test('that a synchronous request can meet have a status, or are the server’s', () => {
    const without = Object.keys(ERROR_STATUS).filter((code) => statusOf(code) === undefined)
    expect(without.toSorted()).toEqual(OF_THE_SERVER.toSorted())
  })

  test('have a status that says whose fault it is', () => {
    for (const status of Object.values(ERROR_STATUS))
      expect(status === null || status === 503 || status < 500).toBe(true)
  })

  test('are ours: anything else has no status', () => {
    for (const code of ['toString', 'ENOENT', 404, undefined]) expect(statusOf(code)).toBeUndefined()
  })

  test('that a job can fail with are documented', async () => {
    const rows = Object.entries(JOB_ERROR_CODES).map(([code, { meaning }]) => [`\`${code}\``, meaning])
    const table = markdownTable([['code', 'what is wrong'], ...rows])
    await expect(withTable(API_PAGE, 'Codes of failed jobs:', table)).toMatchFileSnapshot(API_PAGE)
  })
})
