import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { DiskReserve, isRecording } from './disk-reserve.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30

function diskOf(freeBytes: number, totalBytes: number, reserveBytes?: number): DiskReserve {
  const options = reserveBytes === undefined ? {} : { reserveBytes }
  return new DiskReserve('/data', options, async () => ({ freeBytes, totalBytes }))
}

describe('what stays free', () => {
  test('is half a gibibyte of a large disk', async () => {
    await diskOf(512 * MIB, 100 * GIB).check()
    await expect(diskOf(512 * MIB - 1, 100 * GIB).check()).rejects.toMatchObject({ code: 'payload.unavailable' })
  })

  test('is a twentieth of a small one', async () => {
    await diskOf(50 * MIB, 1000 * MIB).check()
    await expect(diskOf(50 * MIB - 1, 1000 * MIB).check()).rejects.toMatchObject({ code: 'payload.unavailable' })
  })

  test('is what was set', async () => {
    await diskOf(10 * MIB, 100 * GIB, 10 * MIB).check()
    await expect(diskOf(10 * MIB, 100 * GIB, 10 * MIB).check(1)).rejects.toMatchObject({ code: 'payload.unavailable' })
  })

  test('is said, and what is left', async () => {
    const full = 'its disk is nearly full, with 7 MiB left, of which 10 MiB stay free'
    await expect(diskOf(7.9 * MIB, GIB, 10 * MIB).check()).rejects.toThrow(full)
  })
})

test('the room is that of the disk on which the folder is', async () => {
  await new DiskReserve(tmpdir(), { reserveBytes: 0 }).check()
  await expect(new DiskReserve(tmpdir(), { reserveBytes: 0 }).check(2 ** 60)).rejects.toThrow('nearly full')
})

test('a body is metered by what of it is about to be written', async () => {
  let looks = 0
  const reserve = new DiskReserve('/data', { reserveBytes: 0 }, async () => {
    looks += 1
    return { freeBytes: GIB, totalBytes: GIB }
  })
  const sink = reserve.watched({ write: async (chunk, offset) => ({ bytesWritten: chunk.length - offset }) })
  const chunk = Buffer.alloc(16 * MIB)
  for (let n = 0; n < 7; n++) expect(await sink.write(chunk, 8 * MIB)).toEqual({ bytesWritten: 8 * MIB })
  expect(looks).toBe(0)
  await sink.write(chunk, 8 * MIB)
  expect(looks).toBe(1)
  for (let n = 0; n < 8; n++) await sink.write(chunk, 8 * MIB)
  expect(looks).toBe(2)
})

test('uploads are recordings, and results are not', () => {
  expect(isRecording('uploads/a.mp3')).toBe(true)
  expect(isRecording('results/uploads/1.json')).toBe(false)
})
