import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { translated } from './s3-errors.ts'
import { openS3 } from './s3.fixture.ts'

const KEY = 'uploads/0b7c2f9e.mp3'
const MIB = 2 ** 20
const UNAVAILABLE = { code: 'payload.unavailable', retryable: true, cause: expect.any(Error) }

function body(bytes: Uint8Array): Readable {
  return Readable.from([bytes], { objectMode: false })
}

describe('an S3 that fails', () => {
  test('is unavailable while nobody answers, and available again when somebody does', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    await store.write(KEY, body(Buffer.from('sound')))
    await s3.pause()
    const attempts: readonly (() => Promise<unknown>)[] = [
      () => store.write(KEY, body(randomBytes(1))),
      () => store.size(KEY),
      () => store.read(KEY),
      () => store.readRange(KEY, 0, 1),
      () => store.openLocal(KEY),
      () => store.remove(KEY),
      () => Array.fromAsync(store.list('uploads')),
      () => store.uploads.presign(KEY, { expiresInSeconds: 60, parts: 2 }),
      () => store.uploads.finish(KEY),
      () => store.uploads.progress(KEY),
      () => store.uploads.discard(KEY),
      () => store.uploads.removeOlderThan(new Date()),
      () => store.check(),
    ]
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({
        ...UNAVAILABLE,
        message: expect.stringContaining('does not answer'),
      })
    }
    // A URL is signed here.
    expect(await store.uploads.presign(KEY, { expiresInSeconds: 60 })).not.toBeNull()
    await s3.resume()
    expect(await text(await store.read(KEY))).toBe('sound')
    await store.check()
  })

  test('by never answering ends a removal and a list when they are aborted', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    for (const ask of [
      (signal: AbortSignal) => store.remove(KEY, signal),
      (signal: AbortSignal) => Array.fromAsync(store.list('uploads', signal)),
    ]) {
      const reached = Promise.withResolvers<void>()
      const answering = Promise.withResolvers<void>()
      s3.intercept = () => {
        reached.resolve()
        return answering.promise
      }
      const abort = new AbortController()
      const asked = ask(abort.signal)
      // Its end may come before anybody looks at it.
      asked.catch(() => undefined)
      await reached.promise
      abort.abort(new Error('it took too long'))
      await expect(asked).rejects.toThrow('it took too long')
      answering.resolve()
    }
  })

  test('amid a result breaks off the reading of it as unavailable', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    await store.write(KEY, body(randomBytes(MIB)))
    s3.intercept = ({ cutAfter }) => cutAfter(1000)
    await expect(text(await store.read(KEY))).rejects.toMatchObject(UNAVAILABLE)
    await expect(store.readRange(KEY, 0, 5000)).rejects.toMatchObject(UNAVAILABLE)
  })

  test.each([
    ['AccessDenied', /denies access; check the bucket's policy/],
    ['InvalidAccessKeyId', /AWS_ACCESS_KEY_ID/],
    ['ExpiredToken', /AWS_SESSION_TOKEN/],
    ['NoSuchBucket', /SOTTO_PAYLOADS/],
    ['PermanentRedirect', /AWS_REGION/],
    ['RequestTimeTooSkewed', /clock/],
    ['SlowDown', /overloaded/],
    ['NotImplemented', /out of order/],
  ])('by %s says what to check', async (code, expected) => {
    await using fixture = await openS3()
    fixture.s3.intercept = ({ refuse }) => refuse(code)
    const message = expect.stringMatching(expected)
    await expect(fixture.store.read(KEY)).rejects.toMatchObject({ ...UNAVAILABLE, message })
  })

  test('to tell more than a status is as clear', async () => {
    await using fixture = await openS3()
    fixture.s3.intercept = ({ refuse }) => refuse('AccessDenied')
    const message = expect.stringContaining('denies access')
    await expect(fixture.store.size(KEY)).rejects.toMatchObject({ ...UNAVAILABLE, message })
  })

  test('since the secret is wrong, without telling it or what was signed', async () => {
    await using fixture = await openS3({ environment: { AWS_SECRET_ACCESS_KEY: 'hidden-secret' } })
    const error: unknown = await fixture.store.read(KEY).catch((cause: unknown) => cause)
    const message = expect.stringContaining('AWS_SECRET_ACCESS_KEY')
    expect(error).toMatchObject({ ...UNAVAILABLE, message, cause: { name: 'SignatureDoesNotMatch' } })
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toMatch(/hidden-secret|Signature=|StringToSign/)
  })

  test('for want of credentials says so', async () => {
    const environment = {
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME: '/nowhere',
    }
    await using fixture = await openS3({ environment })
    const message = expect.stringContaining('no credentials')
    await expect(fixture.store.read(KEY)).rejects.toMatchObject({ ...UNAVAILABLE, message })
    await expect(fixture.store.uploads.presign(KEY, { expiresInSeconds: 60 })).rejects.toMatchObject({ message })
  })

  test('at the check is noticed by it', async () => {
    await using fixture = await openS3()
    fixture.s3.intercept = ({ method, refuse }) => {
      if (method === 'DELETE') refuse('AccessDenied')
    }
    await expect(fixture.store.check()).rejects.toMatchObject(UNAVAILABLE)
    const abort = AbortSignal.abort(new Error('no time'))
    await expect(fixture.store.check(abort)).rejects.toThrow('no time')
  })

  test('by its being slow at the check leaves nothing of that', async () => {
    await using fixture = await openS3()
    const abort = new AbortController()
    fixture.s3.intercept = ({ method }) => {
      if (method === 'GET') abort.abort(new Error('no time'))
    }
    await expect(fixture.store.check(abort.signal)).rejects.toThrow('no time')
    expect(fixture.s3.contents).toEqual([])
  })
})

test.each([new TypeError('it has no such method'), new RangeError('out of range')])(
  '%s is a bug of ours and stays one',
  (bug) => {
    expect(translated(bug)).toBe(bug)
  },
)
