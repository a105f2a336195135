import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Spool } from './spool.ts'
import type { LogMelValues } from './log-mel.ts'
import type { Room } from './spool.ts'

const BANDS = 128
const MEBIBYTE = 2 ** 20

/** Fills a spool until it fails, or has this much. */
async function fill(room: () => Promise<Room>, maxBytes: number): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'sotto-spool-'))
  try {
    await using spool = await Spool.create(folder, BANDS, room)
    expect(await readdir(folder)).toEqual([])
    const block = { values: new Float32Array(500 * BANDS), maximum: 0, peak: 0 }
    for (let frame = 0; frame * BANDS * 4 < maxBytes; frame += 500) await spool.write(block, frame)
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

test('blocks may come in any order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sotto-spool-'))
  await using spool = await Spool.create(folder, 1)
  const block = (...values: readonly number[]): LogMelValues => ({
    values: Float32Array.from(values),
    maximum: Math.max(...values),
    peak: 0,
  })
  await Promise.all([spool.write(block(5), 4), spool.write(block(3, 9), 2), spool.write(block(1, 2), 0)])
  const bytes = Buffer.alloc(20)
  await spool.file.read(bytes, 0, 20, 0)
  expect([...new Float32Array(bytes.buffer, bytes.byteOffset, 5)]).toEqual([1, 2, 3, 9, 5])
  expect([spool.frames, spool.maximum]).toEqual([5, 9])
  await rm(folder, { recursive: true })
})
