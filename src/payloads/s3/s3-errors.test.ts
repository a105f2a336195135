import { describe, expect, test } from 'vitest'
import { PayloadError } from '../errors.ts'
import { answering, causeIs, translated } from './s3-errors.ts'

/** As the SDK throws what the S3 answered. */
function answer(status: unknown, name = 'Unknown'): Error {
  return Object.assign(new Error('the answer'), { name, $metadata: { httpStatusCode: status } })
}

describe('an answer of the S3', () => {
  test.each([
    [301, 'another region'],
    [401, 'denies access'],
    [403, 'denies access'],
    [429, 'overloaded or out of order'],
    [500, 'overloaded or out of order'],
    [503, 'overloaded or out of order'],
    [507, 'is full'],
    [418, 'refuses the request with status 418'],
  ])('with status %i means that it %s', (status, meaning) => {
    const error = translated(answer(status))
    expect(error).toMatchObject({ code: 'payload.unavailable', retryable: true })
    expect(error.message).toContain(meaning)
  })

  test('without an object is known by its name, and where it has no body by name and status', () => {
    expect(translated(answer(404, 'NoSuchKey'))).toMatchObject({ code: 'payload.missing' })
    expect(translated(answer(404, 'NotFound'))).toMatchObject({ code: 'payload.missing' })
    expect(translated(answer(500, 'NotFound'))).toMatchObject({ code: 'payload.unavailable' })
    expect(translated(answer(404, 'NoSuchUpload'))).toMatchObject({ code: 'payload.unavailable' })
  })

  test('can be asked for by its name, and nothing else can', () => {
    expect(causeIs(translated(answer(404, 'NoSuchUpload')), 'NoSuchUpload')).toBe(true)
    expect(causeIs(translated(answer(404, 'NoSuchUpload')), 'NoSuchBucket')).toBe(false)
    expect(causeIs(answer(404, 'NoSuchUpload'), 'NoSuchUpload')).toBe(false)
    const other = new PayloadError('payload.missing', 'gone', { cause: new Error('NoSuchUpload') })
    expect(causeIs(other, 'Error')).toBe(false)
  })
})

describe('what is no answer', () => {
  test('is a connection’s, by its code or the SDK’s name, and the S3 does not answer', () => {
    const refused = Object.assign(new TypeError('connect'), { code: 'ECONNREFUSED' })
    const failed = Object.assign(new TypeError('read'), { syscall: 'read' })
    const client = Object.assign(new TypeError('of the client'), { $service: 'S3' })
    for (const error of [refused, failed, client, new Error('socket'), 'text', answer('200'), answer(undefined)]) {
      expect(translated(error)).toMatchObject({
        code: 'payload.unavailable',
        message: expect.stringContaining('does not answer'),
      })
    }
  })

  test('is a bug of ours otherwise, and stays one', () => {
    const bugs = [TypeError, RangeError, ReferenceError, SyntaxError].map((Bug) => new Bug('a bug'))
    for (const bug of bugs) expect(translated(bug)).toBe(bug)
    const own = new PayloadError('payload.missing', 'gone')
    expect(translated(own)).toBe(own)
  })
})

test('the cause says where it was, without what hangs to an error of the SDK', () => {
  const error = Object.assign(answer(500, 'InternalError'), { $response: { headers: { authorization: 'secret' } } })
  const { cause } = translated(error)
  expect(cause).toMatchObject({ name: 'InternalError', message: 'the answer', status: 500, stack: error.stack })
  expect(cause).not.toHaveProperty('$response')
})

test('an abort is no failure of the S3, and its reason is what is thrown', async () => {
  const abort = new AbortController()
  const action = async (): Promise<never> => {
    abort.abort(new Error('enough'))
    throw answer(500)
  }
  await expect(answering(action, abort.signal)).rejects.toThrow('enough')
  await expect(answering(() => Promise.reject(answer(500)))).rejects.toMatchObject({ code: 'payload.unavailable' })
})
