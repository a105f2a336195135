import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { submitted } from '../../jobs/new-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { UnsubmittedUploads } from '../../jobs/keeping/unsubmitted-uploads.ts'
import { UploadRoom } from './upload-room.ts'

const of = (key: string, owner: string, bytes: number | undefined) => ({ key, owner, bytes })
const REACHED = { code: 'limit.reached', retryAfterSeconds: 60 }

async function open(maxUnsubmittedBytes: number | null = 100) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-room-')))
  const database = stack.use(await openSqlite(folder.path))
  const uploads = new UnsubmittedUploads(database)
  const room = new UploadRoom(uploads, { maxUploadBytes: 80, maxUnsubmittedBytes })
  const opened = stack.move()
  return { room, uploads, jobs: new SqlJobStore(database), [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

test('uploads that run count with those that are kept, each key’s for itself', async () => {
  await using fixture = await open()
  const { room } = fixture
  const together = await Promise.allSettled(['a', 'b'].map((key) => room.begin(of(key, 'owner', 60))))
  expect(together.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  await expect(room.begin(of('b', 'owner', 41))).rejects.toMatchObject(REACHED)
  using other = await room.begin(of('c', 'another', 60))
  expect(other.maxBytes).toBe(60)
  using rest = await room.begin(of('b', 'owner', 40))
  expect(rest.maxBytes).toBe(40)
})

test('what is kept counts until it is submitted or forgotten', async () => {
  await using fixture = await open()
  const { room, jobs } = fixture
  const upload = async (key: string): Promise<void> => {
    using hold = await room.beginWhole(of(key, 'owner', 60))
    await hold.keep(60)
  }
  await upload('uploads/a')
  await upload('uploads/a')
  await expect(upload('uploads/b')).rejects.toMatchObject(REACHED)
  await submitted(jobs, { payloadKey: 'uploads/a' })
  await upload('uploads/b')
  await expect(upload('uploads/c')).rejects.toMatchObject(REACHED)
  await room.forget('uploads/b')
  await upload('uploads/c')
  {
    using hold = await room.begin(of('uploads/c', 'owner', 60))
    await hold.keep(0)
  }
  await upload('uploads/d')
})

test('one whose length nobody says counts as the largest', async () => {
  await using fixture = await open()
  const { room } = fixture
  using hold = await room.begin(of('a', 'owner', undefined))
  expect(hold.maxBytes).toBe(80)
  await expect(room.begin(of('b', 'owner', 21))).rejects.toMatchObject(REACHED)
})

describe('whole uploads to one URL', () => {
  test('take over from each other, and the next one waits until the one before has ended', async () => {
    await using fixture = await open()
    const { room } = fixture
    const first = await room.beginWhole(of('a', 'owner', 60))
    let isBegun = false
    const second = room.beginWhole(of('a', 'owner', 60)).finally(() => (isBegun = true))
    await expect.poll(() => first.signal.aborted).toBe(true)
    expect(first.signal.reason).toMatchObject({ code: 'payload.superseded', retryable: true })
    expect(isBegun).toBe(false)
    first[Symbol.dispose]()
    using next = await second
    expect([next.signal.aborted, next.maxBytes]).toEqual([false, 60])
  })

  test('leave those to other URLs alone, and parts of one are the store’s affair', async () => {
    await using fixture = await open(null)
    const { room } = fixture
    using first = await room.beginWhole(of('a', 'owner', 10))
    using other = await room.beginWhole(of('b', 'owner', 10))
    using part = await room.begin(of('a', 'owner', 10))
    expect([first.signal.aborted, other.signal.aborted, part.maxBytes]).toEqual([false, false, 10])
  })

  test('that are refused take nothing over', async () => {
    await using fixture = await open()
    const { room } = fixture
    using first = await room.beginWhole(of('a', 'owner', 60))
    using _ = await room.begin(of('b', 'owner', 40))
    await expect(room.beginWhole(of('a', 'owner', 61))).rejects.toMatchObject(REACHED)
    expect(first.signal.aborted).toBe(false)
  })
})

test('uploads that were removed as nobody’s are forgotten by their age', async () => {
  await using fixture = await open()
  const { uploads } = fixture
  await uploads.record('a', 'owner', { bytes: 10, name: null })
  await uploads.forgetBefore(new Date(Date.now() - 60_000))
  expect(await uploads.bytesOf('owner', 'b')).toBe(10)
  await uploads.forgetBefore(new Date(Date.now() + 60_000))
  expect(await uploads.bytesOf('owner', 'b')).toBe(0)
})
