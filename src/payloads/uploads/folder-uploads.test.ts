import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtempDisposable, open, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test, vi } from 'vitest'
import { bodyOf, patternOf, stallingBody } from '../contracts/bodies.fixture.ts'
import { DiskReserve } from '../folder/disk-reserve.ts'
import { PayloadError } from '../errors.ts'
import { FolderPayloadStore } from '../folder/folder-store.ts'
import { KEY } from '../contracts/payload-store.fixture.ts'
import { FolderUploads } from './folder-uploads.ts'
import { describeUploads } from './uploads.contract.ts'
import type { UploadsFixture } from './uploads.contract.ts'

const CHILD = join(import.meta.dirname, '../../../test/support/folder-uploads.child.ts')

interface Fixture extends AsyncDisposable {
  readonly path: string
  readonly store: FolderPayloadStore
}

async function openStore(): Promise<Fixture> {
  const folder = await mkdtempDisposable(join(tmpdir(), 'sotto-partial-'))
  const store = await FolderPayloadStore.open(folder.path)
  return { path: folder.path, store, [Symbol.asyncDispose]: () => folder.remove() }
}

async function files(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found = entries.filter((entry) => entry.isFile())
  return found.map(({ parentPath, name }) => relative(folder, join(parentPath, name))).sort()
}

async function bytesOf(store: FolderPayloadStore): Promise<Buffer> {
  return await buffer(await store.read(KEY))
}

/** Appends bytes of the pattern that then stall; resolves when they are there. */
async function startAppend({ store: { uploads } }: Fixture, start: number, end: number, length?: number) {
  const body = stallingBody(patternOf(start, end))
  const appending = uploads.append(KEY, { offset: start, length, body })
  // Its end may come before anybody looks at it.
  appending.catch(() => undefined)
  await expect.poll(async () => (await uploads.progress(KEY)).offset, { interval: 5 }).toBe(end)
  return { body, appending }
}

describeUploads('folder', async () => {
  const fixture = await openStore()
  const { store, path } = fixture
  let offset = 0
  const send: UploadsFixture['send'] = async (parts, isWhole) => {
    offset = (await store.uploads.progress(KEY)).offset
    const length = isWhole ? parts.reduce((sum, part) => sum + part.length, offset) : undefined
    for (const part of parts)
      ({ offset } = await store.uploads.append(KEY, { offset, length, body: bodyOf(part, 70_000) }))
  }
  const leftovers = async (): Promise<string[]> => (await files(path)).map((name) => relative('objects', name))
  const another = (): Promise<FolderPayloadStore> => FolderPayloadStore.open(path)
  return { store, send, leftovers, another, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
})

describe('an upload in parts', () => {
  test('becomes an object of the same bytes with its last byte, and nothing else stays', async () => {
    await using fixture = await openStore()
    const { store } = fixture
    const append = (offset: number, end: number, length?: number) =>
      store.uploads.append(KEY, { offset, length, body: bodyOf(patternOf(offset, end)) })
    expect(await append(0, 5000)).toEqual({ offset: 5000, length: undefined })
    expect(await append(5000, 5000, 12_345)).toEqual({ offset: 5000, length: 12_345 })
    expect(await append(5000, 12_344)).toEqual({ offset: 12_344, length: 12_345 })
    expect(await store.size(KEY)).toBeUndefined()
    expect(await append(12_344, 12_345, 12_345)).toEqual({ offset: 12_345, length: 12_345 })
    expect((await bytesOf(store)).equals(patternOf(0, 12_345))).toBe(true)
    expect(await store.uploads.progress(KEY)).toEqual({ offset: 12_345, length: 12_345 })
    expect(await files(fixture.path)).toEqual([join('objects', KEY)])
  })

  test('keeps what arrived of a body that breaks off, also over a restart', async () => {
    await using fixture = await openStore()
    const { body, appending } = await startAppend(fixture, 0, 5000, 8000)
    const cause = new Error('ECONNRESET')
    body.destroy(cause)
    await expect(appending).rejects.toMatchObject({ code: 'payload.interrupted', retryable: true, cause })
    const store = await FolderPayloadStore.open(fixture.path)
    expect(await store.uploads.progress(KEY)).toEqual({ offset: 5000, length: 8000 })
    await store.uploads.append(KEY, { offset: 5000, body: bodyOf(patternOf(5000, 8000)) })
    expect((await bytesOf(store)).equals(patternOf(0, 8000))).toBe(true)
  })

  test('is complete with its last byte, though its body never ends', async () => {
    await using fixture = await openStore()
    const { body, appending } = await startAppend(fixture, 0, 7999, 8000)
    body.push(patternOf(7999, 8000))
    const complete = { offset: 8000, length: 8000 }
    await expect.poll(() => fixture.store.uploads.progress(KEY), { interval: 5 }).toEqual(complete)
    await expect(appending).rejects.toMatchObject({ code: 'payload.superseded' })
    expect((await bytesOf(fixture.store)).equals(patternOf(0, 8000))).toBe(true)
  })

  test('is complete with its last byte, though its body breaks off behind that', async () => {
    await using fixture = await openStore()
    const body = stallingBody(patternOf(0, 8000))
    const appending = fixture.store.uploads.append(KEY, { offset: 0, length: 8000, body })
    const data = join(fixture.path, 'partial/data', KEY)
    await expect.poll(async () => (await stat(data)).size, { interval: 5 }).toBe(8000)
    body.destroy()
    await expect(appending).rejects.toMatchObject({ code: 'payload.interrupted' })
    expect(await fixture.store.uploads.progress(KEY)).toEqual({ offset: 8000, length: 8000 })
    expect((await bytesOf(fixture.store)).equals(patternOf(0, 8000))).toBe(true)
  })

  test('that could not become an object does so when its progress is asked for', async () => {
    await using fixture = await openStore()
    const obstacle = join(fixture.path, 'objects/uploads')
    await writeFile(obstacle, '')
    const whole = { offset: 0, length: 10, body: bodyOf(patternOf(0, 10)) }
    await expect(fixture.store.uploads.append(KEY, whole)).rejects.toMatchObject({ code: 'payload.unavailable' })
    await rm(obstacle)
    const both = [fixture.store.uploads.progress(KEY), fixture.store.uploads.progress(KEY)]
    expect(await Promise.all(both)).toEqual([0, 1].map(() => ({ offset: 10, length: 10 })))
    expect((await bytesOf(fixture.store)).equals(patternOf(0, 10))).toBe(true)
  })

  test('that could not become an object does so when it is submitted, and no other does', async () => {
    await using fixture = await openStore()
    const { uploads } = fixture.store
    const obstacle = join(fixture.path, 'objects/uploads')
    await writeFile(obstacle, '')
    await expect(uploads.append(KEY, { offset: 0, length: 10, body: bodyOf(patternOf(0, 10)) })).rejects.toMatchObject({
      code: 'payload.unavailable',
    })
    await uploads.append('uploads/b.mp3', { offset: 0, length: 10, body: bodyOf(patternOf(0, 9)) })
    await uploads.append('uploads/c.mp3', { offset: 0, body: bodyOf(patternOf(0, 10)) })
    await rm(obstacle)
    expect(await uploads.finish(KEY)).toEqual({ bytes: 10, version: null })
    expect((await bytesOf(fixture.store)).equals(patternOf(0, 10))).toBe(true)
    for (const key of ['uploads/b.mp3', 'uploads/c.mp3']) expect(await uploads.finish(key)).toBeUndefined()
  })

  test('does not become an object when beforeCommit throws', async () => {
    await using fixture = await openStore()
    const reason = new Error('already submitted')
    const seen: unknown[] = []
    const beforeCommit = async (): Promise<void> => {
      seen.push(await fixture.store.size(KEY))
      throw reason
    }
    const options = { offset: 0, length: 10, body: bodyOf(patternOf(0, 10)), beforeCommit }
    await expect(fixture.store.uploads.append(KEY, options)).rejects.toBe(reason)
    expect(seen).toEqual([undefined])
    expect(await fixture.store.size(KEY)).toBeUndefined()
  })
})

describe('an offset', () => {
  /** Sizes of files when they were synchronised: no test can have a power cut. */
  async function watchSyncs(folder: string) {
    await using handle = await open(join(folder, 'objects'))
    const prototype: FileHandle = Object.getPrototypeOf(handle)
    const synced: number[] = []
    const sync: (this: FileHandle) => Promise<void> = Reflect.get(prototype, 'sync')
    const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
      const found = await this.stat()
      await sync.call(this)
      if (found.isFile()) synced.push(found.size)
    })
    return { synced, [Symbol.dispose]: () => spy.mockRestore() }
  }

  test('that is told is on the disk, be it told by an append, amid one, or behind a restart', async () => {
    await using fixture = await openStore()
    using watched = await watchSyncs(fixture.path)
    await fixture.store.uploads.append(KEY, { offset: 0, body: bodyOf(patternOf(0, 3000)) })
    expect(watched.synced.at(-1)).toBe(3000)
    const { body, appending } = await startAppend(fixture, 3000, 5000)
    expect(watched.synced.at(-1)).toBe(5000)
    body.destroy()
    await expect(appending).rejects.toMatchObject({ code: 'payload.interrupted' })
    watched.synced.length = 0
    const next = await FolderPayloadStore.open(fixture.path)
    expect(await next.uploads.progress(KEY)).toEqual({ offset: 5000, length: undefined })
    expect(watched.synced).toEqual([5000])
  })
})

test('an append to a disk that fills up meanwhile ends, and keeps what it has', async () => {
  await using fixture = await openStore()
  const full = new PayloadError('payload.unavailable', 'The disk is nearly full.')
  class FillingDisk extends DiskReserve {
    override meter(): (bytes: number) => Promise<void> {
      let bytes = 0
      return (more) => ((bytes += more) > 2500 ? Promise.reject(full) : Promise.resolve())
    }
  }
  const uploads = new FolderUploads({
    folder: join(fixture.path, 'partial'),
    objects: join(fixture.path, 'objects'),
    temporary: join(fixture.path, 'tmp'),
    reserve: new FillingDisk(fixture.path),
  })
  const append = uploads.append(KEY, { offset: 0, body: bodyOf(patternOf(0, 5000)) })
  await expect(append).rejects.toBe(full)
  expect(await uploads.progress(KEY)).toEqual({ offset: 2000, length: undefined })
})

describe('an append is refused, and adds nothing,', () => {
  test.each([
    ['at an offset before the last byte', { offset: 4 }, 'payload.wrong_offset'],
    ['at an offset behind the next byte', { offset: 6 }, 'payload.wrong_offset'],
    ['with another length than before', { offset: 5, length: 11 }, 'payload.wrong_length'],
    ['when it is said to be too large', { offset: 5, bodyBytes: 6 }, 'payload.too_large'],
    ['when it turns out to be too large', { offset: 5, body: bodyOf(patternOf(5, 11), 4) }, 'payload.too_large'],
    ['when the upload gets larger than allowed', { offset: 5, maxBytes: 9 }, 'payload.too_large'],
  ])('%s', async (_, given, code) => {
    await using fixture = await openStore()
    const { uploads } = fixture.store
    await uploads.append(KEY, { offset: 0, length: 10, body: bodyOf(patternOf(0, 5)) })
    const append = uploads.append(KEY, { body: bodyOf(patternOf(5, 10)), ...given })
    await expect(append).rejects.toMatchObject({ code, retryable: false })
    expect(await uploads.progress(KEY)).toEqual({ offset: 5, length: 10 })
  })

  test('when it may have no more bytes, of a length that nobody said', async () => {
    await using fixture = await openStore()
    const { uploads } = fixture.store
    await uploads.append(KEY, { offset: 0, body: bodyOf(patternOf(0, 5)) })
    const endless = stallingBody(patternOf(5, 5000))
    const append = uploads.append(KEY, { offset: 5, body: endless, maxBytes: 2000 })
    await expect(append).rejects.toMatchObject({ code: 'payload.too_large' })
    expect(endless.destroyed).toBe(false)
    expect(await uploads.progress(KEY)).toEqual({ offset: 5, length: undefined })
    const shorter = uploads.append(KEY, { offset: 5, length: 4, body: bodyOf(patternOf(5, 6)) })
    await expect(shorter).rejects.toMatchObject({ code: 'payload.wrong_length' })
  })

  test('when the upload is complete', async () => {
    await using fixture = await openStore()
    const { store } = fixture
    await store.write(KEY, bodyOf(patternOf(0, 10)))
    expect(await store.uploads.progress(KEY)).toEqual({ offset: 10, length: 10 })
    for (const offset of [0, 10]) {
      const append = store.uploads.append(KEY, { offset, length: 20, body: bodyOf(patternOf(offset, 20)) })
      await expect(append).rejects.toMatchObject({ code: 'payload.complete' })
    }
    expect((await bytesOf(store)).equals(patternOf(0, 10))).toBe(true)
  })

  test('under a key that the server would not make', async () => {
    await using fixture = await openStore()
    const { uploads } = fixture.store
    const error = { code: 'payload.invalid_key' }
    await expect(uploads.progress('../a')).rejects.toMatchObject(error)
    await expect(uploads.append('../a', { offset: 0, body: bodyOf(patternOf(0, 1)) })).rejects.toMatchObject(error)
    await expect(uploads.discard('../a')).rejects.toMatchObject(error)
    expect(await files(fixture.path)).toEqual([])
  })
})

describe('of several at once', () => {
  test('one at the same offset takes over from one that stalls, whose sender can still be answered', async () => {
    await using fixture = await openStore()
    const { store } = fixture
    const stalled = await startAppend(fixture, 0, 5000, 8000)
    await store.uploads.append(KEY, { offset: 5000, body: bodyOf(patternOf(5000, 8000)) })
    await expect(stalled.appending).rejects.toMatchObject({ code: 'payload.superseded', retryable: true })
    expect(stalled.body.destroyed).toBe(false)
    stalled.body.push(patternOf(0, 10))
    expect((await bytesOf(store)).equals(patternOf(0, 8000))).toBe(true)
  })

  test('one at another offset leaves the one under way alone', async () => {
    await using fixture = await openStore()
    const { store } = fixture
    const { body, appending } = await startAppend(fixture, 0, 5000, 8000)
    const stale = store.uploads.append(KEY, { offset: 0, length: 8000, body: bodyOf(patternOf(0, 8000)) })
    await expect(stale).rejects.toMatchObject({ code: 'payload.wrong_offset' })
    body.push(patternOf(5000, 8000))
    body.push(null)
    expect(await appending).toEqual({ offset: 8000, length: 8000 })
    expect((await bytesOf(store)).equals(patternOf(0, 8000))).toBe(true)
  })

  test('from the start one wins', async () => {
    await using fixture = await openStore()
    const { store } = fixture
    const appends = Array.from({ length: 5 }, () =>
      store.uploads.append(KEY, { offset: 0, length: 300_000, body: bodyOf(patternOf(0, 300_000)) }),
    )
    const outcomes = await Promise.allSettled(appends)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect((await bytesOf(store)).equals(patternOf(0, 300_000))).toBe(true)
  })

  test('a write replaces what is incomplete, and ends the append under way', async () => {
    await using fixture = await openStore()
    const { store } = fixture
    const { appending } = await startAppend(fixture, 0, 5000, 8000)
    await store.write(KEY, Readable.from(['whole']))
    await expect(appending).rejects.toMatchObject({ code: 'payload.superseded' })
    expect(await store.uploads.progress(KEY)).toEqual({ offset: 5, length: 5 })
    expect(await files(fixture.path)).toEqual([join('objects', KEY)])
  })

  test('a write that breaks off leaves the append alone', async () => {
    await using fixture = await openStore()
    const { store } = fixture
    const { body, appending } = await startAppend(fixture, 0, 5000, 8000)
    const broken = stallingBody(patternOf(0, 10))
    broken.destroy()
    await expect(store.write(KEY, broken)).rejects.toMatchObject({ code: 'payload.interrupted' })
    body.push(patternOf(5000, 8000))
    body.push(null)
    expect(await appending).toEqual({ offset: 8000, length: 8000 })
  })

  test('discard ends the append under way, and nothing stays', async () => {
    await using fixture = await openStore()
    const { appending } = await startAppend(fixture, 0, 5000, 8000)
    await fixture.store.uploads.discard(KEY)
    await expect(appending).rejects.toMatchObject({ code: 'payload.superseded' })
    expect(await fixture.store.uploads.progress(KEY)).toEqual({ offset: 0, length: undefined })
    expect(await files(fixture.path)).toEqual([])
  })

  test('a signal ends one with its reason, and what arrived stays', async () => {
    await using fixture = await openStore()
    const { uploads } = fixture.store
    const abort = new AbortController()
    const body = stallingBody(patternOf(0, 5000))
    const appending = uploads.append(KEY, { offset: 0, body, signal: abort.signal })
    await expect.poll(async () => (await uploads.progress(KEY)).offset, { interval: 5 }).toBe(5000)
    abort.abort(new Error('shutting down'))
    await expect(appending).rejects.toThrow('shutting down')
    expect((await uploads.progress(KEY)).offset).toBe(5000)
    const late = uploads.append(KEY, { offset: 5000, body, signal: abort.signal })
    await expect(late).rejects.toThrow('shutting down')
  })
})

describe('old ones', () => {
  test('are removed, but not those that got a byte since, are under way or complete', async () => {
    await using fixture = await openStore()
    const { store, path } = fixture
    const [old, since] = [new Date('2020-01-01'), new Date('2021-01-01')]
    for (const key of ['uploads/old.mp3', 'uploads/new.mp3', 'uploads/gone.mp3']) {
      await store.uploads.append(key, { offset: 0, length: 10, body: bodyOf(patternOf(0, 5)) })
    }
    await store.write('uploads/complete.mp3', bodyOf(patternOf(0, 10)))
    const { appending } = await startAppend(fixture, 0, 5000)
    await rm(join(path, 'partial/data/uploads/gone.mp3'))
    for (const name of ['data/uploads/old.mp3', 'length/uploads/old.mp3', 'length/uploads/new.mp3']) {
      await utimes(join(path, 'partial', name), old, old)
    }
    for (const name of ['partial/length/uploads/gone.mp3', `partial/data/${KEY}`, 'objects/uploads/complete.mp3']) {
      await utimes(join(path, name), old, old)
    }
    expect(await store.uploads.removeOlderThan(since)).toBe(1)
    expect(await files(path)).toEqual([
      'objects/uploads/complete.mp3',
      `partial/data/${KEY}`,
      'partial/data/uploads/new.mp3',
      'partial/length/uploads/new.mp3',
    ])
    await store.uploads.discard(KEY)
    await expect(appending).rejects.toMatchObject({ code: 'payload.superseded' })
  })

  test('none, in a folder where nothing was ever appended', async () => {
    await using fixture = await openStore()
    expect(await fixture.store.uploads.removeOlderThan(new Date())).toBe(0)
  })
})

test('after kill -9 amid an append every byte that was told of is there, and the rest makes it whole', async () => {
  await using fixture = await openStore()
  const [length, stall] = [30_000_000, 20_000_000]
  const child = spawn(process.execPath, [CHILD, 'append', fixture.path, String(length), String(stall)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let told = 0
  for await (const line of createInterface(child.stdout)) {
    told = Number(line)
    if (told > 2_000_000) child.kill('SIGKILL')
  }
  await closed
  const store = await FolderPayloadStore.open(fixture.path)
  const { offset } = await store.uploads.progress(KEY)
  expect(offset).toBeGreaterThanOrEqual(told)
  expect(await store.size(KEY)).toBeUndefined()
  await store.uploads.append(KEY, { offset, body: bodyOf(patternOf(offset, length), 100_000) })
  expect((await bytesOf(store)).equals(patternOf(0, length))).toBe(true)
})

/** Runs in a mount namespace of its own, where a small disk is mounted over the folder. */
const smallDisk = (folder: string, command: string): readonly string[] => {
  const script = `mount -t tmpfs -o size=5m tmpfs "$0" && ${command}`
  return ['--map-root-user', '--mount', 'sh', '-c', script, folder]
}
// Some containers let nobody mount.
const canMount = spawnSync('unshare', smallDisk(tmpdir(), 'true')).status === 0

test.skipIf(!canMount)(
  'on a full disk keeps what was written, shows nothing, and goes on when there is room',
  async () => {
    await using fixture = await openStore()
    await mkdir(join(fixture.path, 'mounted'))
    const command = `exec "${process.execPath}" "${CHILD}" fill "$0" 4000000 3000000`
    const child = spawn('unshare', smallDisk(join(fixture.path, 'mounted'), command), {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const outcome: unknown = JSON.parse((await buffer(child.stdout)).toString())
    expect(outcome).toEqual({
      code: 'payload.unavailable',
      offset: expect.any(Number),
      isVisible: false,
      isWhole: true,
    })
    expect((outcome as { offset: number }).offset).toBeGreaterThan(1_000_000)
  },
)
