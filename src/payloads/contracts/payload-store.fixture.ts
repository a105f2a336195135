import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect } from 'vitest'
import { bodyOf } from './bodies.fixture.ts'
import type { PayloadStore } from '../payload-store.ts'

export interface PayloadStoreFixture extends AsyncDisposable {
  readonly store: PayloadStore
  /** What lies in it, unfinished writes included. */
  readonly leftovers: () => Promise<readonly string[]>
}

/** Makes an empty one. */
export type OpenStore = () => Promise<PayloadStoreFixture>

export const KEY = 'uploads/0b7c2f9e.mp3'

/** A body that gives some bytes and then waits for ever. */
export function stalledBody(): { readonly body: Readable; readonly stalled: Promise<void> } {
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

export async function bytesOf(store: PayloadStore, key = KEY): Promise<Buffer> {
  return await buffer(await store.read(key))
}

/** Runs a write that fails, with no object there and then with one, which it must leave alone. */
export async function failing(open: OpenStore, run: (store: PayloadStore) => Promise<unknown>): Promise<void> {
  await using fixture = await open()
  await run(fixture.store)
  expect(await fixture.store.size(KEY)).toBeUndefined()
  expect(await fixture.leftovers()).toEqual([])

  const before = randomBytes(10)
  await fixture.store.write(KEY, bodyOf(before))
  await run(fixture.store)
  expect((await bytesOf(fixture.store)).equals(before)).toBe(true)
  expect(await fixture.leftovers()).toEqual([KEY])
}
