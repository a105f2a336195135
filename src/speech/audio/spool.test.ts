import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Spool } from './spool.ts'
import type { Room } from './spool.ts'

const BANDS = 128
const MEBIBYTE = 2 ** 20

/** Fills a spool until it fails, or has this much. */
async function fill(room: () => Promise<Room>, maxBytes: number): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'sotto-spool-'))
  try {
    await using spool = await Spool.create(folder, BANDS, room)
    expect(await readdir(folder)).toEqual([])
    const frame = new Float32Array(BANDS)
    for (let bytes = 0; bytes < maxBytes; bytes += frame.byteLength) {
      spool.append(frame)
      if (spool.hasBlock) await spool.flush()
    }
    return undefined
  } catch (error) {
    return error
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a recording that takes the last room of a small disk fails, and does not wait for room', async () => {
  let looks = 0
  // 5 % of 400 MiB are left to others.
  const room = () =>
    Promise.resolve({ freeBytes: looks++ === 0 ? 30 * MEBIBYTE : 10 * MEBIBYTE, totalBytes: 400 * MEBIBYTE })
  expect(await fill(room, 100 * MEBIBYTE)).toMatchObject({ code: 'engine.spool_full', retryable: true })
  expect(looks).toBe(2)
})

test('one that is small itself waits for the room that others have taken', async () => {
  const room = () => Promise.resolve({ freeBytes: 100 * MEBIBYTE, totalBytes: 2 ** 40 })
  expect(await fill(room, 100 * MEBIBYTE)).toMatchObject({ code: 'engine.disk_full', retryable: true })
})

test('with room it goes on', async () => {
  expect(await fill(() => Promise.resolve({ freeBytes: 2 ** 36, totalBytes: 2 ** 40 }), 70 * MEBIBYTE)).toBeUndefined()
})

test('another error than a full disk passes on as it is', async () => {
  await expect(Spool.create(join(tmpdir(), 'there', 'is', 'none'), BANDS)).rejects.toMatchObject({ code: 'ENOENT' })
  const failing = () => Promise.reject(new Error('input/output error'))
  expect(await fill(failing, 100 * MEBIBYTE)).toMatchObject({ message: 'input/output error' })
})
