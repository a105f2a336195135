import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { bodyOf } from '../contracts/bodies.fixture.ts'
import type { PayloadStore } from '../payload-store.ts'
import { KEY, bytesOf } from '../contracts/payload-store.fixture.ts'
import type { PayloadStoreFixture } from '../contracts/payload-store.fixture.ts'

export interface UploadsFixture extends PayloadStoreFixture {
  /**
   * Sends the parts of an upload as clients do, each but the last one of 5 MiB at least.
   * @param isWhole whether it is said that these are all
   */
  readonly send: (parts: readonly Buffer<ArrayBuffer>[], isWhole: boolean) => Promise<void>
  /** The same store, as another process or the next one sees it. */
  readonly another: () => Promise<PayloadStore>
}

const PART_BYTES = 5 * 2 ** 20

/** The contract of `UnfinishedUploads`, to be run against each of its implementations; `open` makes an empty one. */
export function describeUploads(name: string, open: () => Promise<UploadsFixture>): void {
  describe(`${name}: an upload in parts`, () => {
    test('that has not begun is at 0, and nothing of it is there', async () => {
      await using fixture = await open()
      const { uploads } = fixture.store
      expect(await uploads.progress(KEY)).toEqual({ offset: 0, length: undefined })
      expect(await uploads.finish(KEY)).toBeUndefined()
      await uploads.discard(KEY)
      expect(await fixture.leftovers()).toEqual([])
    })

    test('tells what is there of it, to whoever asks, and is no object', async () => {
      await using fixture = await open()
      await fixture.send([randomBytes(PART_BYTES)], false)
      for (const store of [fixture.store, await fixture.another()]) {
        expect(await store.uploads.progress(KEY)).toEqual({ offset: PART_BYTES, length: undefined })
        expect(await store.size(KEY)).toBeUndefined()
      }
    })

    test('is an object of its bytes when it is finished, as often as one asks, by whomever', async () => {
      await using fixture = await open()
      const bytes = randomBytes(PART_BYTES + 10)
      await fixture.send([bytes.subarray(0, PART_BYTES), bytes.subarray(PART_BYTES)], true)
      const { uploads } = await fixture.another()
      const both = await Promise.all([uploads.finish(KEY), uploads.finish(KEY)])
      expect(both).toMatchObject([{ bytes: bytes.length }, { bytes: bytes.length }])
      expect(await fixture.store.uploads.finish(KEY)).toEqual(both[0])
      expect(await uploads.progress(KEY)).toEqual({ offset: bytes.length, length: bytes.length })
      expect((await bytesOf(fixture.store)).equals(bytes)).toBe(true)
      expect(await fixture.leftovers()).toEqual([KEY])
    })

    test('leaves nothing when it is discarded, and can begin again', async () => {
      await using fixture = await open()
      const { uploads } = fixture.store
      await fixture.send([randomBytes(PART_BYTES)], false)
      await uploads.discard(KEY)
      expect(await fixture.leftovers()).toEqual([])
      expect(await uploads.progress(KEY)).toEqual({ offset: 0, length: undefined })
      await fixture.send([Buffer.from('again')], true)
      expect(await uploads.finish(KEY)).toMatchObject({ bytes: 5 })
    })

    test('is removed when it was left for long, and what is finished is not', async () => {
      await using fixture = await open()
      const { uploads } = fixture.store
      await fixture.send([randomBytes(PART_BYTES)], false)
      expect(await uploads.removeOlderThan(new Date(Date.now() - 60_000))).toBe(0)
      expect(await uploads.removeOlderThan(new Date(Date.now() + 60_000))).toBe(1)
      expect(await fixture.leftovers()).toEqual([])
      await fixture.store.write(KEY, bodyOf(randomBytes(10)))
      expect(await uploads.removeOlderThan(new Date(Date.now() + 60_000))).toBe(0)
      expect(await fixture.store.size(KEY)).toBe(10)
    })
  })

  describe(`${name}: an upload of a whole`, () => {
    test('is finished as often as one asks, and stays when it is discarded', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, bodyOf(randomBytes(1234)))
      const both = await Promise.all([store.uploads.finish(KEY), store.uploads.finish(KEY)])
      expect(both).toMatchObject([{ bytes: 1234 }, { bytes: 1234 }])
      await store.uploads.discard(KEY)
      expect(await store.uploads.finish(KEY)).toEqual(both[0])
      expect(await store.uploads.progress(KEY)).toEqual({ offset: 1234, length: 1234 })
    })

    test('is copied as it was when it was finished, or not at all', async () => {
      await using fixture = await open()
      const { store } = fixture
      await store.write(KEY, bodyOf(Buffer.from('the one that was submitted')))
      const { version = null } = (await store.uploads.finish(KEY)) ?? {}
      {
        await using local = await store.openLocal(KEY, undefined, version)
        expect(await readFile(local.path, 'utf8')).toBe('the one that was submitted')
      }
      // Where it can be replaced, it has a version.
      expect(version === null).toBe(store.uploads.kind === 'api')
      if (version === null) return
      await store.write(KEY, bodyOf(Buffer.from('another one of this length')))
      await expect(store.openLocal(KEY, undefined, version)).rejects.toMatchObject({
        code: 'payload.replaced',
        retryable: false,
      })
      expect(await fixture.leftovers()).toHaveLength(1)
    })

    test('has its key checked', async () => {
      await using fixture = await open()
      const { uploads } = fixture.store
      const error = { code: 'payload.invalid_key', retryable: false }
      await expect(uploads.finish('../a')).rejects.toMatchObject(error)
      await expect(uploads.progress('../a')).rejects.toMatchObject(error)
      await expect(uploads.discard('../a')).rejects.toMatchObject(error)
    })
  })
}
