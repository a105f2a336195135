import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { BUCKET } from '../../../test/support/s3.ts'
import { PREFIX, openS3 } from '../s3/s3.fixture.ts'
import type { S3Fixture } from '../s3/s3.fixture.ts'
import type { S3PayloadStore } from '../s3/s3-store.ts'
import { KEY } from '../contracts/payload-store.fixture.ts'
import { describeUploads } from './uploads.contract.ts'
import type { UploadsFixture } from './uploads.contract.ts'

const MIB = 2 ** 20
/** What S3 takes for a part but the last. */
const PART = 5 * MIB

async function put(url: string | undefined, body: string | Uint8Array<ArrayBuffer>, type?: string): Promise<number> {
  const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
  const response = await fetch(url ?? '', { method: 'PUT', body, headers })
  await response.text()
  return response.status
}

async function partUrls(store: S3PayloadStore, parts: number): Promise<readonly string[]> {
  return (await store.uploads.presign(KEY, { expiresInSeconds: 60, parts })).parts ?? []
}

async function bytesOf({ store }: S3Fixture): Promise<Buffer> {
  return await buffer(await store.read(KEY))
}

describeUploads('S3', async () => {
  const fixture = await openS3({ pageLength: 2 })
  const { s3, store } = fixture
  const send: UploadsFixture['send'] = async (parts) => {
    const urls = await partUrls(store, parts.length + 1)
    for (const [n, part] of parts.entries()) expect(await put(urls[n], part)).toBe(200)
  }
  const leftovers = async (): Promise<string[]> => s3.contents.map((name) => name.replace(`${PREFIX}/`, ''))
  const { another } = fixture
  return {
    store,
    send,
    leftovers,
    another: () => another(),
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  }
})

describe('a presigned URL', () => {
  test.each([undefined, 'audio/mpeg', 'application/json', 'nonsense'])(
    'takes a PUT with the Content-Type %s',
    async (type) => {
      await using fixture = await openS3()
      const { url, parts } = await fixture.store.uploads.presign(KEY, { expiresInSeconds: 60 })
      expect(parts).toBeUndefined()
      const bytes = randomBytes(100_000)
      expect(await fixture.store.uploads.finish(KEY)).toBeUndefined()
      expect(await put(url, bytes, type)).toBe(200)
      expect((await bytesOf(fixture)).equals(bytes)).toBe(true)
      expect(await fixture.store.uploads.finish(KEY)).toMatchObject({ bytes: 100_000 })
    },
  )

  test('that was tampered with is refused, and nothing is stored', async () => {
    await using fixture = await openS3()
    const { url } = await fixture.store.uploads.presign(KEY, { expiresInSeconds: 60 })
    for (const tampered of [
      url.replace('0b7c2f9e', '00000000'),
      url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'),
      url.replace(/X-Amz-Signature=./, 'X-Amz-Signature=g'),
      url.split('?')[0],
    ]) {
      expect(tampered).not.toBe(url)
      expect(await put(tampered, 'x')).toBe(403)
    }
    expect(fixture.s3.contents).toEqual([])
  })

  test('that has expired is refused, and says still what was uploaded', async () => {
    await using fixture = await openS3()
    const { url } = await fixture.store.uploads.presign(KEY, { expiresInSeconds: 1 })
    await expect.poll(() => put(url, 'x')).toBe(403)
    expect(await fixture.store.uploads.keyOf(new URL(url))).toBe(KEY)
  })
})

describe('an upload in parts', () => {
  test('is put together when it is finished, in order, and is closed then', async () => {
    await using fixture = await openS3({ pageLength: 2 })
    const { s3, store } = fixture
    const { url, parts = [] } = await store.uploads.presign(KEY, { expiresInSeconds: 60, parts: 5 })
    expect(parts).toHaveLength(5)
    expect(await store.uploads.finish(KEY)).toBeUndefined()
    const bytes = randomBytes(3 * PART + 10)
    for (const n of [3, 1, 2, 0]) expect(await put(parts[n], bytes.subarray(n * PART, (n + 1) * PART))).toBe(200)
    expect(await store.size(KEY)).toBeUndefined()
    expect(await store.uploads.keyOf(new URL(url))).toBe(KEY)
    expect(await store.uploads.finish(KEY)).toMatchObject({ bytes: bytes.length })
    expect((await bytesOf(fixture)).equals(bytes)).toBe(true)
    expect(await put(parts[4], 'x')).toBe(404)
    expect(await store.uploads.finish(KEY)).toMatchObject({ bytes: bytes.length })
    expect(s3.contents).toEqual([`${PREFIX}/${KEY}`])
  })

  test('lacks a part: which one is said, and it may come later', async () => {
    await using fixture = await openS3()
    const { store } = fixture
    const parts = await partUrls(store, 3)
    const bytes = randomBytes(2 * PART + 1)
    for (const n of [0, 2]) await put(parts[n], bytes.subarray(n * PART, (n + 1) * PART))
    const error = { code: 'payload.incomplete', retryable: false, message: expect.stringMatching(/^Part 2 /) }
    await expect(store.uploads.finish(KEY)).rejects.toMatchObject(error)
    expect(await store.uploads.progress(KEY)).toEqual({ offset: PART, length: undefined })
    await put(parts[1], bytes.subarray(PART, 2 * PART))
    expect(await store.uploads.finish(KEY)).toMatchObject({ bytes: bytes.length })
    expect((await bytesOf(fixture)).equals(bytes)).toBe(true)
  })

  test('has a part that is too small: that is said, and it may be replaced', async () => {
    await using fixture = await openS3()
    const { store } = fixture
    const parts = await partUrls(store, 2)
    await put(parts[0], randomBytes(100))
    await put(parts[1], randomBytes(100))
    const error = { code: 'payload.incomplete', message: expect.stringContaining('5 MiB') }
    await expect(store.uploads.finish(KEY)).rejects.toMatchObject(error)
    await put(parts[0], randomBytes(PART))
    expect(await store.uploads.finish(KEY)).toMatchObject({ bytes: PART + 100 })
  })

  test('may be one of a whole instead', async () => {
    await using fixture = await openS3()
    const { store } = fixture
    const { url, parts = [] } = await store.uploads.presign(KEY, { expiresInSeconds: 60, parts: 2 })
    await put(parts[0], randomBytes(PART))
    await put(url, 'sound')
    expect(await store.uploads.finish(KEY)).toMatchObject({ bytes: 5 })
    expect((await bytesOf(fixture)).toString()).toBe('sound')
  })

  test('that two processes finish at the same time is finished for both', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const other = await fixture.another()
    const parts = await partUrls(store, 2)
    await put(parts[0], randomBytes(PART))
    await put(parts[1], randomBytes(1))
    const both = Promise.withResolvers<void>()
    let completions = 0
    s3.intercept = async ({ method }) => {
      if (method !== 'POST') return
      completions += 1
      if (completions === 2) both.resolve()
      await both.promise
    }
    const finished = { bytes: PART + 1 }
    expect(await Promise.all([store.uploads.finish(KEY), other.uploads.finish(KEY)])).toMatchObject([
      finished,
      finished,
    ])
    expect(completions).toBe(2)
    expect(s3.contents).toEqual([`${PREFIX}/${KEY}`])
  })

  test('that one process finishes twice at the same time is completed once', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    await put((await partUrls(store, 1))[0], 'sound')
    let completions = 0
    s3.intercept = ({ method }) => void (completions += method === 'POST' ? 1 : 0)
    const finished = { bytes: 5 }
    expect(await Promise.all([store.uploads.finish(KEY), store.uploads.finish(KEY)])).toMatchObject([
      finished,
      finished,
    ])
    expect(completions).toBe(1)
  })

  test('leaves nothing when its URLs can’t be signed', async () => {
    await using fixture = await openS3()
    const moreThanSignaturesLast = 8 * 86_400
    const presign = fixture.store.uploads.presign(KEY, { expiresInSeconds: moreThanSignaturesLast, parts: 1 })
    await expect(presign).rejects.toMatchObject({ code: 'payload.unavailable' })
    expect(fixture.s3.contents).toEqual([])
  })

  test('is looked at, finished and discarded by itself, whatever lies under longer keys', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const other = await store.uploads.presign(`${KEY}.other`, { expiresInSeconds: 60, parts: 1 })
    await put(other.parts?.[0], 'sound')
    expect(await store.uploads.progress(KEY)).toEqual({ offset: 0, length: undefined })
    expect(await store.uploads.finish(KEY)).toBeUndefined()
    for (let n = 0; n < 2; n++) await partUrls(store, 1)
    await store.uploads.discard(KEY)
    expect(s3.contents).toEqual([expect.stringContaining(`${KEY}.other?uploadId=`)])
  })

  test('is removed when it was left unfinished for long, with the others that were', async () => {
    await using fixture = await openS3({ pageLength: 2 })
    const { s3, store } = fixture
    const foreign = await fixture.another({ prefix: 'other' })
    await foreign.uploads.presign(KEY, { expiresInSeconds: 60, parts: 1 })
    for (let n = 0; n < 5; n++) await store.uploads.presign(`uploads/${n}.mp3`, { expiresInSeconds: 60, parts: 1 })
    for (let n = 0; n < 2; n++) await partUrls(store, 1)
    const [first] = [...s3.bucket.uploads.values()].filter(({ key }) => key.endsWith('0.mp3'))
    expect(await store.uploads.removeOlderThan(first!.initiatedAt)).toBe(0)
    expect(await store.uploads.removeOlderThan(new Date(Date.now() + 60_000))).toBe(7)
    expect(s3.contents).toEqual([expect.stringContaining(`other/${KEY}?uploadId=`)])
    expect(await store.uploads.finish(KEY)).toBeUndefined()
  })
})

describe('the key that a URL stands for', () => {
  test.each([
    ['an endpoint of its own', { AWS_ENDPOINT_URL_S3: 'https://minio.example.com:9000' }],
    ['an endpoint below a path', { AWS_ENDPOINT_URL_S3: 'https://example.com/s3' }],
    ['Amazon', { AWS_ENDPOINT_URL_S3: '', AWS_REGION: 'eu-central-1' }],
    ['a region of nobody’s choice', { AWS_ENDPOINT_URL_S3: '', AWS_REGION: '' }],
  ])('is found whichever way the bucket is named, at %s', async (_, environment) => {
    await using fixture = await openS3({ environment })
    const stores = [fixture.store, await fixture.another({ pathStyle: false })]
    const urls = await Promise.all(
      stores.map(async (store) => new URL((await store.uploads.presign(KEY, { expiresInSeconds: 60 })).url)),
    )
    expect(urls[0]!.pathname).toContain(`/${BUCKET}/${PREFIX}/${KEY}`)
    expect(urls[1]!.hostname.startsWith(`${BUCKET}.`)).toBe(true)
    for (const store of stores) {
      for (const url of urls) expect(await store.uploads.keyOf(url)).toBe(KEY)
    }
  })

  test('is none when it is no URL of an object here', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const { url, parts = [] } = await store.uploads.presign(KEY, { expiresInSeconds: 60, parts: 2 })
    const elsewhere = await fixture.another({ prefix: 'other' })
    const others = [
      ...parts,
      url.replace(s3.url, 'http://example.com'),
      url.replace(BUCKET, 'another-bucket'),
      url.replace(`/${PREFIX}/`, `/${PREFIX}x/`),
      url.replace(KEY, ''),
      url.replace(KEY, 'uploads/%2e%2e%2fa.mp3'),
      url.replace(KEY, 'uploads//a.mp3'),
      `${s3.url}/${BUCKET}`,
      `${s3.url}/`,
    ]
    expect(await store.uploads.isOwn(new URL(url))).toBe(true)
    const keys = await Promise.all(others.map((other) => store.uploads.keyOf(new URL(other))))
    expect(keys.filter((key) => key !== undefined)).toEqual([])
    expect(await elsewhere.uploads.keyOf(new URL(url))).toBeUndefined()
  })
})
