import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtempDisposable, readdir, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join, relative } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { DiskReserve } from './disk-reserve.ts'
import { available } from './file-errors.ts'
import { FolderPayloadStore } from './folder-store.ts'
import { describePayloadStore } from '../contracts/payload-store.contract.ts'

const CHILD = join(import.meta.dirname, '../../../test/support/folder-store.child.ts')
const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'sotto-payloads-'))

/** Every file below a folder, and every empty folder, by its path from there. */
async function contents(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const below = entries.map(async (entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? (await contents(path)).map((name) => join(entry.name, name)) : [entry.name]
  })
  return entries.length === 0 ? ['.'] : (await Promise.all(below)).flat()
}

describePayloadStore('folder', async () => {
  const folder = await temporaryFolder()
  const store = await FolderPayloadStore.open(join(folder.path, 'payloads'))
  const leftovers = async (): Promise<string[]> => {
    const names = await contents(join(folder.path, 'payloads'))
    return names.filter((name) => name !== 'tmp' && name !== 'objects').map((name) => relative('objects', name))
  }
  return { store, leftovers, [Symbol.asyncDispose]: () => folder.remove() }
})

describe('a disk that is nearly full', () => {
  const FULL = { code: 'payload.unavailable', retryable: true, message: expect.stringContaining('nearly full') }

  test('takes no recordings, by whichever way, and still takes results', async () => {
    await using folder = await temporaryFolder()
    const store = await FolderPayloadStore.open(folder.path, { reserveBytes: Number.MAX_SAFE_INTEGER })
    await expect(store.write('uploads/a.mp3', Readable.from(['a']))).rejects.toMatchObject(FULL)
    const body = Readable.from(['a'])
    await expect(store.uploads.append('uploads/a.mp3', { offset: 0, body })).rejects.toMatchObject(FULL)
    await store.write('results/a/1.json', Readable.from(['{}']))
    await store.check()
    expect(await contents(folder.path)).toEqual(['objects/results/a/1.json', 'tmp'])
  })

  test('takes what leaves the reserve, and nothing that says it would not', async () => {
    await using folder = await temporaryFolder()
    const { bavail, bsize } = await statfs(folder.path)
    const store = await FolderPayloadStore.open(folder.path, { reserveBytes: Math.floor((bavail * bsize) / 2) })
    await store.write('uploads/a.mp3', Readable.from(['a']), { bodyBytes: 1 })
    const large = { bodyBytes: bavail * bsize }
    await expect(store.write('uploads/b.mp3', Readable.from(['b']), large)).rejects.toMatchObject(FULL)
    const body = Readable.from(['b'])
    await expect(store.uploads.append('uploads/b.mp3', { offset: 0, body, ...large })).rejects.toMatchObject(FULL)
  })

  test('is looked at again while a body comes', async () => {
    const reserve = new DiskReserve(tmpdir(), { reserveBytes: Number.MAX_SAFE_INTEGER })
    let written = 0
    const sink = reserve.watched({ write: async (chunk) => ({ bytesWritten: (written += chunk.length) }) })
    const chunk = Buffer.alloc(2 ** 20)
    const all = async (): Promise<void> => {
      for (let n = 0; n < 100; n++) await sink.write(chunk, 0)
    }
    await expect(all()).rejects.toMatchObject(FULL)
    expect(written).toBe(63 * 2 ** 20)
  })
})

test('an error that no disk has is a bug of ours and stays one', async () => {
  const bug = new RangeError('out of range')
  await expect(available(() => Promise.reject(bug))).rejects.toBe(bug)
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
  await expect(available(() => Promise.reject(full))).rejects.toMatchObject({
    code: 'payload.unavailable',
    cause: full,
  })
})

describe('a folder of payloads', () => {
  test('keeps its objects and loses what was unfinished when it is opened again', async () => {
    await using folder = await temporaryFolder()
    const store = await FolderPayloadStore.open(folder.path)
    await store.write('uploads/a.mp3', Readable.from(['a']))
    await writeFile(join(folder.path, 'tmp', 'leftover'), 'x')
    await mkdir(join(folder.path, 'objects', 'checks'))
    await writeFile(join(folder.path, 'objects', 'checks', 'leftover'), 'x')
    await FolderPayloadStore.open(folder.path)
    expect((await contents(folder.path)).sort()).toEqual(['objects/uploads/a.mp3', 'tmp'])
  })

  test('after kill -9 amid a write holds nothing of it', async () => {
    await using folder = await temporaryFolder()
    const child = spawn(process.execPath, [CHILD, folder.path, 'Infinity'], { stdio: ['ignore', 'ignore', 'inherit'] })
    const closed = once(child, 'close')
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL')
      await closed
    }
    await using _ = { [Symbol.asyncDispose]: kill }
    const written = async (): Promise<number> => {
      const [name] = await readdir(join(folder.path, 'tmp')).catch(() => [])
      return name === undefined ? 0 : (await stat(join(folder.path, 'tmp', name))).size
    }
    await expect.poll(written, { interval: 5 }).toBeGreaterThan(1_000_000)
    await kill()
    const store = await FolderPayloadStore.open(folder.path)
    expect(await store.size('uploads/large.wav')).toBeUndefined()
    expect((await contents(folder.path)).sort()).toEqual(['objects', 'tmp'])
  })

  test('removes what was left unfinished, as far as it is older than asked', async () => {
    await using folder = await temporaryFolder()
    const store = await FolderPayloadStore.open(folder.path)
    const before = new Date(Date.now() - 60_000)
    await writeFile(join(folder.path, 'tmp', 'old'), 'x')
    await utimes(join(folder.path, 'tmp', 'old'), before, before)
    await writeFile(join(folder.path, 'tmp', 'new'), 'x')
    expect(await store.uploads.removeOlderThan(new Date(Date.now() - 30_000))).toBe(1)
    expect(await readdir(join(folder.path, 'tmp'))).toEqual(['new'])
    await rm(join(folder.path, 'tmp'), { recursive: true })
    expect(await store.uploads.removeOlderThan(new Date())).toBe(0)
  })

  test('takes 200 MB without keeping them in memory', async () => {
    await using folder = await temporaryFolder()
    const child = spawn(process.execPath, [CHILD, folder.path, '200'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const { bytes, grownBytes } = JSON.parse(await text(child.stdout))
    expect(bytes).toBe(200 * 2 ** 20)
    expect(grownBytes).toBeLessThan(80 * 2 ** 20)
  })

  test.skipIf(process.platform === 'win32')('is for its user alone', async () => {
    await using folder = await temporaryFolder()
    const root = join(folder.path, 'payloads')
    const store = await FolderPayloadStore.open(root)
    await store.write('results/job/1.json', Readable.from(['{}']))
    const mode = async (...path: string[]): Promise<number> => (await stat(join(root, ...path))).mode & 0o777
    for (const path of [[], ['tmp'], ['objects'], ['objects', 'results'], ['objects', 'results', 'job']]) {
      expect(await mode(...path)).toBe(0o700)
    }
    expect(await mode('objects', 'results', 'job', '1.json')).toBe(0o600)
  })

  test('gives the object itself as the local file, and leaves it there', async () => {
    await using folder = await temporaryFolder()
    const store = await FolderPayloadStore.open(relative(process.cwd(), folder.path))
    await store.write('a', Readable.from(['a']))
    {
      await using local = await store.openLocal('a')
      expect(isAbsolute(local.path)).toBe(true)
    }
    expect(await store.size('a')).toBe(1)
  })

  test('that is gone is unavailable', async () => {
    await using folder = await temporaryFolder()
    const store = await FolderPayloadStore.open(folder.path)
    await rm(join(folder.path, 'tmp'), { recursive: true })
    const error = { code: 'payload.unavailable', retryable: true, cause: expect.any(Error) }
    await expect(store.write('a', Readable.from(['a']))).rejects.toMatchObject(error)
    await expect(store.check()).rejects.toMatchObject(error)
    await expect(FolderPayloadStore.open(join(CHILD, 'below-a-file'))).rejects.toMatchObject(error)
  })
})
