import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtempDisposable, open, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { DurableFile } from './durable-file.ts'
import type { WrittenFile } from './durable-file.ts'

const MIB = 2 ** 20

/** A disk that does nothing before it is let go on. */
class HeldDisk implements WrittenFile {
  readonly #gate = Promise.withResolvers<void>()
  datasyncs = 0

  release(): void {
    this.#gate.resolve()
  }

  async writev(chunks: Uint8Array[]): Promise<{ readonly bytesWritten: number }> {
    await this.#gate.promise
    return { bytesWritten: Buffer.concat(chunks).length }
  }

  async datasync(): Promise<void> {
    this.datasyncs += 1
  }

  async sync(): Promise<void> {
    await this.#gate.promise
  }
}

/** Whether it resolves without anything else that happens. */
async function resolves(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => true), nextTurn().then(() => false)])
}

test('what was given to it is in the file, in order, whatever sizes it came in', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-durable-'))
  await using handle = await open(join(folder.path, 'file'), 'wx')
  const file = new DurableFile(handle)
  const chunks = Array.from({ length: 600 }, (_, index) => Buffer.alloc((index * 7919) % 100_000, `chunk ${index} `))
  for (const chunk of chunks) expect(await file.write(chunk, 0)).toEqual({ bytesWritten: chunk.length })
  expect(await file.write(Buffer.from('not this, but this'), 10)).toEqual({ bytesWritten: 8 })
  await file.sync()
  await file.settle()
  const written = await readFile(join(folder.path, 'file'))
  expect(written.equals(Buffer.concat([...chunks, Buffer.from('but this')]))).toBe(true)
})

test('what a system takes less of than it was given, in the midst of any chunk, is given again from there', async () => {
  const written: string[] = []
  const file = new DurableFile({
    writev: async (chunks) => {
      const taken = Buffer.concat(chunks).subarray(0, 5)
      written.push(taken.toString())
      return { bytesWritten: taken.length }
    },
    datasync: async () => undefined,
    sync: async () => undefined,
  })
  for (const chunk of ['abc', 'defg', 'hijklmnop', 'q']) await file.write(Buffer.from(chunk), 0)
  await file.sync()
  await file.settle()
  expect(written.join('')).toBe('abcdefghijklmnopq')
})

test('what is slower than its sender has so much in memory and no more, all files together', async () => {
  const disk = new HeldDisk()
  const one = new DurableFile(disk)
  // The first chunk is on its way to the disk; what comes meanwhile gathers.
  await one.write(Buffer.alloc(1), 0)
  await nextTurn()
  expect(await resolves(one.write(Buffer.alloc(4 * MIB - 1), 0))).toBe(true)
  const held = one.write(Buffer.alloc(1), 0)
  expect(await resolves(held)).toBe(false)

  const other = new DurableFile(disk)
  await other.write(Buffer.alloc(1), 0)
  await nextTurn()
  expect(await resolves(other.write(Buffer.alloc(2 * MIB - 1), 0))).toBe(true)
  const alsoHeld = other.write(Buffer.alloc(1), 0)
  expect(await resolves(alsoHeld)).toBe(false)

  disk.release()
  expect(await Promise.all([held, alsoHeld])).toEqual([{ bytesWritten: 1 }, { bytesWritten: 1 }])
  await Promise.all([one.settle(), other.settle()])
  const alone = new DurableFile(new HeldDisk())
  await alone.write(Buffer.alloc(1), 0)
  await nextTurn()
  expect(await resolves(alone.write(Buffer.alloc(4 * MIB - 1), 0))).toBe(true)
})

test('a long file is on its way to the disk while it is received', async () => {
  const disk = new HeldDisk()
  disk.release()
  const file = new DurableFile(disk)
  for (let n = 0; n < 15; n++) await file.write(Buffer.alloc(MIB), 0)
  await nextTurn()
  expect(disk.datasyncs).toBe(0)
  for (let n = 0; n < 33; n++) {
    await file.write(Buffer.alloc(MIB), 0)
    await nextTurn()
  }
  expect(disk.datasyncs).toBe(3)
  await file.sync()
  await file.settle()
})

test('a system that takes less than it was given is given the rest', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-durable-'))
  const path = join(folder.path, 'file')
  const program = join(import.meta.dirname, '../../../test/support/durable-file.child.ts')
  // 100 KiB, which the second of two calls of the system reaches in its middle: it is cut short, and only the next one fails.
  const limited = 'trap "" XFSZ; ulimit -f 100; exec "$0" "$@"'
  const { stdout } = await promisify(execFile)('bash', ['-c', limited, process.execPath, program, path])
  expect(stdout).toBe('EFBIG')
  expect((await readFile(path)).length).toBe(102_400)
})

test.skipIf(!existsSync('/dev/full'))(
  'an error of the disk is thrown before long, and at the latest by sync (skipped without /dev/full)',
  async () => {
    await using handle = await open('/dev/full', 'w')
    const small = new DurableFile(handle)
    await small.write(Buffer.from('little'), 0)
    await expect(small.sync()).rejects.toMatchObject({ code: 'ENOSPC' })
    await small.settle()

    const large = new DurableFile(handle)
    const writes = async (): Promise<void> => {
      for (let n = 0; n < 256; n++) await large.write(Buffer.alloc(65_536), 0)
    }
    await expect(writes()).rejects.toMatchObject({ code: 'ENOSPC' })
    await large.settle()
  },
)
