import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { bodyOf } from './bodies.fixture.ts'
import { KEY, bytesOf, failing, stalledBody } from './payload-store.fixture.ts'
import type { OpenStore } from './payload-store.fixture.ts'

/** A write is whole or nothing. */
export function describeWrites(name: string, open: OpenStore): void {
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
        const write = store.write(KEY, bodyOf(randomBytes(10)), { beforeCommit: () => Promise.reject(reason) })
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
        await expect(store.write(KEY, bodyOf(randomBytes(10)), { signal })).rejects.toThrow('too late')
      }))
  })

  describe(`${name}: writes`, () => {
    test('of exactly maxBytes are taken', async () => {
      await using fixture = await open()
      expect(await fixture.store.write(KEY, bodyOf(randomBytes(5000)), { maxBytes: 5000 })).toEqual({ bytes: 5000 })
    })

    test('run beforeCommit once, after the last byte and before the object appears', async () => {
      await using fixture = await open()
      const { store } = fixture
      const source = bodyOf(randomBytes(5000))
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
