import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import type { PayloadStore } from './store.ts'

export interface PayloadStoreFixture extends AsyncDisposable {
  readonly store: PayloadStore
  /** What lies in it, unfinished writes included. */
  readonly leftovers: () => Promise<readonly string[]>
}

const KEY = 'uploads/0b7c2f9e.mp3'

/** A body of these bytes, in small pieces. */
function body(bytes: Uint8Array, pieceLength = 1000): Readable {
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceLength) yield bytes.subarray(at, at + pieceLength)
  }
  return Readable.from(pieces())
}

/** A body that gives some bytes and then waits for ever. */
function stalledBody(): { readonly body: Readable; readonly stalled: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let reads = 0
  const stalled = new Readable({
    highWaterMark: 1,
    read() {
      reads += 1
      if (reads === 1) this.push(randomBytes(1000))
      else resolve()
    },
  })
  return { body: stalled, stalled: promise }
}

async function bytesOf(store: PayloadStore, key = KEY): Promise<Buffer> {
  return await buffer(await store.read(key))
}

/** Runs a write that fails, with no object there and then with one, which it must leave alone. */
async function failing(
  open: () => Promise<PayloadStoreFixture>,
  run: (store: PayloadStore) => Promise<unknown>,
): Promise<void> {
  await using fixture = await open()
  await run(fixture.store)
  expect(await fixture.store.size(KEY)).toBeUndefined()
  expect(await fixture.leftovers()).toEqual([])

  const before = randomBytes(10)
  await fixture.store.write(KEY, body(before))
  await run(fixture.store)
  expect((await bytesOf(fixture.store)).equals(before)).toBe(true)
  expect(await fixture.leftovers()).toEqual([KEY])
}

/** The contract of `PayloadStore`, to be run against each of its implementations; `open` makes an empty one. */
export function describePayloadStore(name: string, open: () => Promise<PayloadStoreFixture>): void {
  describe(`${name}: objects`, () => {
    test.each([0, 1, 65_536, 1_000_003])('%d bytes come back as they were', async (length) => {
      await using fixture = await open()
      const { store } = fixture
      const bytes = randomBytes(length)
      expect(await store.write(KEY, body(bytes, 70_000))).toEqual({ bytes: length })
      expect(await store.size(KEY)).toBe(length)
      expect((await bytesOf(store)).equals(bytes)).toBe(true)
      await using local = await store.openLocal(KEY)
      expect((await readFile(local.path)).equals(bytes)).toBe(true)
    })

    test('text is written as UTF-8', async () => {
      await using fixture = await open()
      expect(await fixture.store.write(KEY, Readable.from(['ä', 'b']))).toEqual({ bytes: 3 })
      expect((await bytesOf(fixture.store)).toString()).toBe('äb')
    })

    test('an older object is replaced', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, body(randomBytes(5000)))
      await store.write(KEY, body(Buffer.from('new')))
      expect((await bytesOf(store)).toString()).toBe('new')
    })

    test('a reader of an object that is replaced reads one of the two, whole', async () => {
      await using fixture = await open()
      const { store } = fixture
      const [old, replacement] = [randomBytes(500_000), randomBytes(400_000)]
      await store.write(KEY, body(old))
      const reading = await store.read(KEY)
      await store.write(KEY, body(replacement))
      expect((await buffer(reading)).equals(old)).toBe(true)
      expect((await bytesOf(store)).equals(replacement)).toBe(true)
    })

    test('of several writes at once one wins, whole', async () => {
      await using fixture = await open()
      const candidates = Array.from({ length: 5 }, () => randomBytes(100_000))
      await Promise.all(candidates.map((bytes) => fixture.store.write(KEY, body(bytes))))
      const winner = await bytesOf(fixture.store)
      expect(candidates.some((bytes) => bytes.equals(winner))).toBe(true)
    })

    test('writes and removals of neighbours do not disturb each other', async () => {
      await using fixture = await open()
      const { store } = fixture
      const comeAndGo = async (key: string): Promise<void> => {
        for (let round = 0; round < 40; round++) {
          await store.write(key, body(Buffer.from(key)))
          expect((await bytesOf(store, key)).toString()).toBe(key)
          await store.remove(key)
        }
      }
      await Promise.all(['a', 'b', 'c', 'd'].map((file) => comeAndGo(`results/job/${file}`)))
      expect(await fixture.leftovers()).toEqual([])
    })

    test('one that is not there', async () => {
      await using fixture = await open()
      const { store } = fixture
      expect(await store.size(KEY)).toBeUndefined()
      await expect(store.read(KEY)).rejects.toMatchObject({ code: 'payload.missing', retryable: false })
      await expect(store.openLocal(KEY)).rejects.toMatchObject({ code: 'payload.missing' })
      await store.remove(KEY)
      await store.write(`${KEY}.other`, body(randomBytes(1)))
      expect(await store.size(KEY)).toBeUndefined()
      expect(await store.size('uploads')).toBeUndefined()
      await expect(store.read('uploads')).rejects.toMatchObject({ code: 'payload.missing' })
    })

    test('a removed one is gone, and removing it again is no error', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, body(randomBytes(10)))
      await store.remove(KEY)
      await store.remove(KEY)
      expect(await store.size(KEY)).toBeUndefined()
      expect(await fixture.leftovers()).toEqual([])
    })

    test('check leaves nothing behind', async () => {
      await using fixture = await open()
      await Promise.all([fixture.store.check(), fixture.store.check()])
      expect(await fixture.leftovers()).toEqual([])
    })
  })

  describe(`${name}: ranges`, () => {
    test.each([
      [0, 0],
      [0, 1],
      [0, 100],
      [99, 100],
      [10, 20],
      [90, 200],
      [0, 2 ** 40],
      [100, 101],
      [5000, 6000],
    ])('of 100 bytes those from %d to before %d', async (start, end) => {
      await using fixture = await open()
      const bytes = randomBytes(100)
      await fixture.store.write(KEY, body(bytes))
      expect((await fixture.store.readRange(KEY, start, end)).equals(bytes.subarray(start, end))).toBe(true)
    })

    test('of nothing there is nothing', async () => {
      await using fixture = await open()
      await fixture.store.write(KEY, body(randomBytes(0)))
      expect(await fixture.store.readRange(KEY, 0, 10)).toHaveLength(0)
    })

    test('of an object that is not there', async () => {
      await using fixture = await open()
      for (const end of [0, 10]) {
        const read = fixture.store.readRange(KEY, 0, end)
        await expect(read).rejects.toMatchObject({ code: 'payload.missing', retryable: false })
      }
    })
  })

  describe(`${name}: lists`, () => {
    const keysOf = async (store: PayloadStore, folder: string): Promise<readonly string[]> =>
      (await Array.fromAsync(store.list(folder))).map(({ key }) => key).sort()

    test('name the objects of a folder alone, with their size and when they came', async () => {
      await using fixture = await open()
      const { store } = fixture
      const began = Date.now()
      const keys = ['results/a/1.json', 'results/a/2.json', 'results/b/1.json', 'results/c.json']
      for (const key of [...keys, 'resultsx/1', 'results-/1', 'uploads/1.mp3'])
        await store.write(key, body(Buffer.from(key)))
      expect(await keysOf(store, 'results')).toEqual(keys)
      expect(await keysOf(store, 'results/a')).toEqual(['results/a/1.json', 'results/a/2.json'])
      for await (const { key, bytes, modifiedAt } of store.list('results')) {
        expect(bytes).toBe(key.length)
        // Whole seconds are all that some stores tell, and clocks of file systems tick in milliseconds.
        expect(modifiedAt.getTime()).toBeGreaterThan(began - 2000)
        expect(modifiedAt.getTime()).toBeLessThan(Date.now() + 2000)
      }
    })

    test('of a folder that is not there are empty', async () => {
      await using fixture = await open()
      expect(await keysOf(fixture.store, 'results')).toEqual([])
    })

    test('may be left before their end, and objects be removed meanwhile', async () => {
      await using fixture = await open()
      const { store } = fixture
      const keys = Array.from({ length: 30 }, (_, n) => `results/${n}/1.json`)
      await Promise.all(keys.map((key) => store.write(key, body(Buffer.from(key)))))
      for await (const { key } of store.list('results')) {
        await store.remove(key)
        break
      }
      expect(await keysOf(store, 'results')).toHaveLength(29)
      for await (const { key } of store.list('results')) await store.remove(key)
      expect(await fixture.leftovers()).toEqual([])
    })

    test.each(['', '/', '..', 'results/', 'results/../uploads'])('of %j are refused', async (folder) => {
      await using fixture = await open()
      await expect(keysOf(fixture.store, folder)).rejects.toMatchObject({ code: 'payload.invalid_key' })
    })
  })

  describe(`${name}: uploads`, () => {
    test('that are there are finished, as often as one asks', async () => {
      await using fixture = await open()
      const { store } = fixture
      expect(await store.finishUpload(KEY)).toBeUndefined()
      await store.write(KEY, body(randomBytes(1234)))
      const finished = { bytes: 1234 }
      const both = await Promise.all([store.finishUpload(KEY), store.finishUpload(KEY)])
      expect(both).toMatchObject([finished, finished])
      expect(await store.finishUpload(KEY)).toEqual(both[0])
    })

    test('are copied as they were when they were finished, or not at all', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, body(Buffer.from('the one that was submitted')))
      const { version = null } = (await store.finishUpload(KEY)) ?? {}
      {
        await using local = await store.openLocal(KEY, undefined, version)
        expect(await readFile(local.path, 'utf8')).toBe('the one that was submitted')
      }
      if (version === null) return
      await store.write(KEY, body(Buffer.from('another one of this length')))
      await expect(store.openLocal(KEY, undefined, version)).rejects.toMatchObject({
        code: 'payload.replaced',
        retryable: false,
      })
      expect(await fixture.leftovers()).toHaveLength(1)
    })

    test('have their keys checked', async () => {
      await using fixture = await open()
      const error = { code: 'payload.invalid_key' }
      await expect(fixture.store.finishUpload('../a')).rejects.toMatchObject(error)
      await expect(fixture.store.readRange('../a', 0, 1)).rejects.toMatchObject(error)
    })

    test('are no URL of anything else', async () => {
      await using fixture = await open()
      expect(await fixture.store.keyOfUploadUrl(new URL(`https://example.com/${KEY}`))).toBeUndefined()
    })

    test('that are finished are not removed as unfinished ones', async () => {
      await using fixture = await open()
      await fixture.store.write(KEY, body(randomBytes(10)))
      expect(await fixture.store.removeUnfinished(new Date(Date.now() + 60_000))).toBe(0)
      expect(await fixture.store.size(KEY)).toBe(10)
    })
  })

  describe(`${name}: keys`, () => {
    const refused = [
      '',
      '/',
      '/etc/passwd',
      'uploads/',
      'uploads//a',
      '.',
      '..',
      '../a',
      'uploads/../../a',
      'uploads/./a',
      'uploads/..',
      'uploads\\..\\a',
      'uploads/a b',
      'uploads/%2e%2e/a',
      'uploads/a\0.mp3',
      'uploads/a\n',
      'uploads/ä',
      'C:/a',
      `uploads/${'a'.repeat(256)}`,
      'a/'.repeat(600) + 'a',
    ]
    test.each(refused)('%j is refused', async (key) => {
      await using fixture = await open()
      const { store } = fixture
      const error = { name: 'PayloadError', code: 'payload.invalid_key', retryable: false }
      await expect(store.write(key, body(randomBytes(1)))).rejects.toMatchObject(error)
      await expect(store.size(key)).rejects.toMatchObject(error)
      await expect(store.read(key)).rejects.toMatchObject(error)
      await expect(store.openLocal(key)).rejects.toMatchObject(error)
      await expect(store.remove(key)).rejects.toMatchObject(error)
      expect(await fixture.leftovers()).toEqual([])
    })

    test.each(['a', 'results/x/1.json', 'tmp/a', '.a', 'a..b', '-', '_/A-z_0.9'])('%j is taken', async (key) => {
      await using fixture = await open()
      await fixture.store.write(key, body(Buffer.from(key)))
      expect((await bytesOf(fixture.store, key)).toString()).toBe(key)
    })
  })

  describe(`${name}: writes that fail leave what was there`, () => {
    test('a body that breaks off with an error', () =>
      failing(open, async (store) => {
        const { body: broken, stalled } = stalledBody()
        const cause = new Error('ECONNRESET')
        const write = store.write(KEY, broken)
        await stalled
        broken.destroy(cause)
        await expect(write).rejects.toMatchObject({ code: 'payload.interrupted', retryable: true, cause })
      }))

    test('a body that closes before its end', () =>
      failing(open, async (store) => {
        const { body: broken, stalled } = stalledBody()
        const write = store.write(KEY, broken)
        await stalled
        broken.destroy()
        await expect(write).rejects.toMatchObject({ code: 'payload.interrupted' })
      }))

    test('a body that was closed before', () =>
      failing(open, async (store) => {
        const { body: broken } = stalledBody()
        broken.destroy()
        await expect(store.write(KEY, broken)).rejects.toMatchObject({ code: 'payload.interrupted' })
      }))

    test('a body of more than maxBytes, as soon as it has more; its sender can still be answered', () =>
      failing(open, async (store) => {
        const { body: endless } = stalledBody()
        const error = { code: 'payload.too_large', retryable: false, message: expect.stringContaining('999') }
        await expect(store.write(KEY, endless, { maxBytes: 999 })).rejects.toMatchObject(error)
        expect(endless.destroyed).toBe(false)
        endless.destroy()
      }))

    test('beforeCommit that throws', () =>
      failing(open, async (store) => {
        const reason = new Error('already submitted')
        const write = store.write(KEY, body(randomBytes(10)), { beforeCommit: () => Promise.reject(reason) })
        await expect(write).rejects.toBe(reason)
      }))

    test('a signal that is aborted meanwhile', () =>
      failing(open, async (store) => {
        const { body: slow, stalled } = stalledBody()
        const abort = new AbortController()
        const write = store.write(KEY, slow, { signal: abort.signal })
        await stalled
        abort.abort(new Error('too slow'))
        await expect(write).rejects.toThrow('too slow')
        expect(slow.destroyed).toBe(true)
      }))

    test('a signal that was aborted before', () =>
      failing(open, async (store) => {
        const signal = AbortSignal.abort(new Error('too late'))
        await expect(store.write(KEY, body(randomBytes(10)), { signal })).rejects.toThrow('too late')
      }))
  })

  describe(`${name}: writes`, () => {
    test('of exactly maxBytes are taken', async () => {
      await using fixture = await open()
      expect(await fixture.store.write(KEY, body(randomBytes(5000)), { maxBytes: 5000 })).toEqual({ bytes: 5000 })
    })

    test('run beforeCommit once, after the last byte and before the object appears', async () => {
      await using fixture = await open()
      const { store } = fixture
      const source = body(randomBytes(5000))
      const seen: unknown[] = []
      const beforeCommit = async (): Promise<void> => {
        seen.push(source.readableEnded, await store.size(KEY))
      }
      await store.write(KEY, source, { beforeCommit })
      expect(seen).toEqual([true, undefined])
    })

    test('keep the order of chunks of any size', async () => {
      await using fixture = await open()
      const chunks = Array.from({ length: 500 }, (_, n) => randomBytes((n * 7919) % 3000))
      await fixture.store.write(KEY, Readable.from(chunks))
      expect((await bytesOf(fixture.store)).equals(Buffer.concat(chunks))).toBe(true)
    })
  })
}
