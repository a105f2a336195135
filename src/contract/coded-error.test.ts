import { describe, expect, test } from 'vitest'
import { EngineError } from '../speech/errors.ts'
import { CodedError, hasCode } from './coded-error.ts'
import { isErrorCode } from './error-codes.ts'

describe('an error with a code', () => {
  test('may be tried again when its code says so', () => {
    expect(new CodedError('store.unavailable', 'It is away.').retryable).toBe(true)
    expect(new CodedError('audio.damaged', 'It is damaged.').retryable).toBe(false)
  })

  test('may say otherwise of itself', () => {
    expect(new CodedError('model.unreachable', 'The hub is off.', { retryable: false }).retryable).toBe(false)
  })

  test('keeps its name, its message for the client and its cause for the log', () => {
    const cause = new Error('ENOSPC')
    const error = new EngineError('engine.disk_full', 'The disk is full.', { cause })
    expect(error).toMatchObject({ name: 'EngineError', code: 'engine.disk_full', message: 'The disk is full.', cause })
  })

  test('is told from one of the system, whatever that says of itself', () => {
    const foreign = Object.assign(new Error('gone'), { code: 'recording.gone', retryable: true })
    expect(hasCode(foreign, 'recording.gone')).toBe(false)
    expect(hasCode(new CodedError('recording.gone', 'It is gone.'), 'recording.gone')).toBe(true)
    expect(hasCode(new CodedError('recording.gone', 'It is gone.'), 'store.unavailable')).toBe(false)
  })
})

test.each([
  ['engine.failed', true],
  ['engine.of_tomorrow', false],
  ['constructor', false],
  [5, false],
])('%j is a code of the registry: %j', (code, expected) => {
  expect(isErrorCode(code)).toBe(expected)
})
