import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { extname, join } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { BUCKET } from '../../../test/support/s3.ts'
import { PREFIX, openS3 } from './s3.fixture.ts'
import { describePayloadStore } from '../contracts/payload-store.contract.ts'

const CHILD = join(import.meta.dirname, '../../../test/support/s3-store.child.ts')
const KEY = 'uploads/0b7c2f9e.mp3'
const MIB = 2 ** 20
const UNAVAILABLE = { code: 'payload.unavailable', retryable: true, cause: expect.any(Error) }

function body(bytes: Uint8Array): Readable {
  return Readable.from([bytes], { objectMode: false })
}

/** A body that gives so many bytes and then waits for ever. */
function stalledBody(bytes: number): Readable {
  let isGiven = false
  return new Readable({
    read() {
      if (!isGiven) this.push(randomBytes(bytes))
      isGiven = true
    },
  })
}

describePayloadStore('S3', async () => {
  const fixture = await openS3({ pageLength: 7 })
  const { s3, store, folder } = fixture
  const leftovers = async (): Promise<string[]> => [
    ...s3.contents.map((name) => name.replace(`${PREFIX}/`, '')),
    ...(await readdir(folder)),
  ]
  return { store, leftovers, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
})

describe('an S3 of payloads', () => {
  test('has all of them below its prefix', async () => {
    await using fixture = await openS3()
    await fixture.store.write(KEY, body(randomBytes(1)))
    expect(fixture.s3.contents).toEqual([`${PREFIX}/${KEY}`])
    const root = await fixture.another({ prefix: '' })
    expect(await root.size(`${PREFIX}/${KEY}`)).toBe(1)
    expect(await Array.fromAsync(root.list('deep'), ({ key }) => key)).toEqual([`${PREFIX}/${KEY}`])
  })

  test('takes 128 MB and gives them back without keeping them in memory', async () => {
    await using fixture = await openS3()
    const args = [CHILD, BUCKET, fixture.folder, '128']
    const env = { ...process.env, ...fixture.s3.environment }
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const { bytes, grownBytes } = JSON.parse(await text(child.stdout))
    expect(bytes).toBe(128 * MIB)
    expect(grownBytes).toBeLessThan(100 * MIB)
    expect(await readdir(fixture.folder)).toEqual([])
  })

  test('takes a large body in parts, and gives it back', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const parts: (string | undefined)[] = []
    s3.intercept = ({ method, query }) => void (method === 'PUT' && parts.push(query['partNumber']))
    const bytes = randomBytes(20 * MIB)
    const seen: unknown[] = []
    const beforeCommit = async (): Promise<void> => void seen.push(await store.size(KEY))
    expect(await store.write(KEY, body(bytes), { beforeCommit })).toEqual({ bytes: 20 * MIB })
    expect(seen).toEqual([undefined])
    expect(parts).toEqual(['1', '2', '3'])
    expect((await buffer(await store.read(KEY))).equals(bytes)).toBe(true)
    expect(s3.contents).toEqual([`${PREFIX}/${KEY}`])
  })

  test('has nothing of a large body that breaks off, is refused, or is aborted', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const broken = stalledBody(20 * MIB)
    const write = store.write(KEY, broken)
    const partsSent = (): number => Math.max(0, ...[...s3.bucket.uploads.values()].map(({ parts }) => parts.size))
    await expect.poll(partsSent, { interval: 5 }).toBe(2)
    broken.destroy()
    await expect(write).rejects.toMatchObject({ code: 'payload.interrupted' })
    expect(s3.contents).toEqual([])

    const beforeCommit = (): Promise<void> => Promise.reject(new Error('already submitted'))
    await expect(store.write(KEY, body(randomBytes(20 * MIB)), { beforeCommit })).rejects.toThrow('already submitted')
    expect(s3.contents).toEqual([])

    const abort = new AbortController()
    s3.intercept = ({ query }) => {
      if (query['partNumber'] === '2') abort.abort(new Error('too slow'))
    }
    const { signal } = abort
    await expect(store.write(KEY, body(randomBytes(20 * MIB)), { signal })).rejects.toThrow('too slow')
    expect(s3.contents).toEqual([])

    s3.intercept = ({ query, refuse }) => {
      if (query['partNumber'] === '3') refuse('AccessDenied')
    }
    await expect(store.write(KEY, body(randomBytes(20 * MIB)))).rejects.toMatchObject(UNAVAILABLE)
    expect(s3.contents).toEqual([])
  })
})

describe('a local copy', () => {
  test('keeps its extension, and goes when it is disposed', async () => {
    await using fixture = await openS3()
    await fixture.store.write(KEY, body(Buffer.from('sound')))
    {
      await using local = await fixture.store.openLocal(KEY)
      expect(extname(local.path)).toBe('.mp3')
      expect(await readFile(local.path, 'utf8')).toBe('sound')
      await fixture.store.remove(KEY)
      expect(await readFile(local.path, 'utf8')).toBe('sound')
    }
    expect(await readdir(fixture.folder)).toEqual([])
  })

  test('goes on where its download breaks off', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const bytes = randomBytes(3 * MIB)
    await store.write(KEY, body(bytes))
    const ranges: (string | undefined)[] = []
    s3.intercept = ({ range, cutAfter }) => {
      ranges.push(range)
      if (ranges.length <= 2) cutAfter(MIB)
    }
    await using local = await store.openLocal(KEY)
    expect((await readFile(local.path)).equals(bytes)).toBe(true)
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/), expect.stringMatching(/^bytes=\d+-$/)])
    expect(ranges).not.toContain('bytes=0-')
  })

  test('that gets further each time may break off more often than one that does not', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const bytes = randomBytes(6 * MIB)
    await store.write(KEY, body(bytes))
    let reads = 0
    s3.intercept = ({ cutAfter }) => {
      reads += 1
      if (reads <= 5) cutAfter(MIB)
    }
    await using local = await store.openLocal(KEY)
    expect((await readFile(local.path)).equals(bytes)).toBe(true)
    expect(reads).toBe(6)
  })

  test('of an object that is gone when its download goes on is missing', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    await store.write(KEY, body(randomBytes(2 * MIB)))
    let reads = 0
    s3.intercept = async ({ method, cutAfter }) => {
      if (method !== 'GET') return
      reads += 1
      if (reads === 1) cutAfter(MIB)
      else await store.remove(KEY)
    }
    await expect(store.openLocal(KEY)).rejects.toMatchObject({ code: 'payload.missing' })
    expect(await readdir(fixture.folder)).toEqual([])
  })

  test('of what was submitted is not of what took its place', async () => {
    await using fixture = await openS3()
    const { store } = fixture
    await store.write(KEY, body(randomBytes(10)))
    await expect(store.openLocal(KEY, undefined, '"another"')).rejects.toMatchObject({
      code: 'payload.replaced',
      retryable: false,
    })
    expect(await readdir(fixture.folder)).toEqual([])
  })

  test.each([
    ['a longer one', 3 * MIB],
    ['a much shorter one', 1000],
  ])('is of one object, though another takes its place meanwhile: %s', async (_, replacementBytes) => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    const [old, replacement] = [randomBytes(2 * MIB), randomBytes(replacementBytes)]
    await store.write(KEY, body(old))
    let reads = 0
    s3.intercept = async ({ method, cutAfter }) => {
      if (method === 'GET') reads += 1
      if (method === 'GET' && reads === 1) cutAfter(MIB)
      if (method === 'GET' && reads === 2) await store.write(KEY, body(replacement))
    }
    await using local = await store.openLocal(KEY)
    expect((await readFile(local.path)).equals(replacement)).toBe(true)
  })

  test('that never gets any further is given up, and leaves nothing', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    await store.write(KEY, body(randomBytes(MIB)))
    s3.intercept = ({ cutAfter }) => cutAfter(0)
    await expect(store.openLocal(KEY)).rejects.toMatchObject(UNAVAILABLE)
    expect(await readdir(fixture.folder)).toEqual([])
  })

  test('that is aborted leaves nothing', async () => {
    await using fixture = await openS3()
    const { s3, store } = fixture
    await store.write(KEY, body(randomBytes(MIB)))
    const abort = new AbortController()
    s3.intercept = async () => {
      abort.abort(new Error('cancelled'))
    }
    await expect(store.openLocal(KEY, abort.signal)).rejects.toThrow('cancelled')
    await expect(store.openLocal(KEY, abort.signal)).rejects.toThrow('cancelled')
    expect(await readdir(fixture.folder)).toEqual([])
  })

  test('has nowhere to go when its folder is gone', async () => {
    await using fixture = await openS3()
    await fixture.store.write(KEY, body(randomBytes(1)))
    await rm(fixture.folder, { recursive: true })
    const message = expect.stringContaining('folder for temporary files')
    await expect(fixture.store.openLocal(KEY)).rejects.toMatchObject({ ...UNAVAILABLE, message })
  })
})
