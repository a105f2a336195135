import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { submitted } from '../jobs/new-job.fixture.ts'
import { SqlJobStore } from '../jobs/sql-store.ts'
import { openSqlite } from '../jobs/sqlite/database.ts'
import { UnsubmittedUploads } from '../jobs/unsubmitted-uploads.ts'
import { UploadRoom } from './upload-room.ts'

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
  const together = await Promise.allSettled(['a', 'b'].map((key) => room.begin(key, 'owner', 60, true)))
  expect(together.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  await expect(room.begin('b', 'owner', 41, true)).rejects.toMatchObject(REACHED)
  using other = await room.begin('c', 'another', 60, true)
  expect(other.maxBytes).toBe(60)
  using rest = await room.begin('b', 'owner', 40, true)
  expect(rest.maxBytes).toBe(40)
})

test('what is kept counts until it is submitted or forgotten', async () => {
  await using fixture = await open()
  const { room, jobs } = fixture
  const upload = async (key: string): Promise<void> => {
    using hold = await room.begin(key, 'owner', 60, true)
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
})

test('one whose length nobody says counts as the largest', async () => {
  await using fixture = await open()
  const { room } = fixture
  using hold = await room.begin('a', 'owner', undefined, true)
  expect(hold.maxBytes).toBe(80)
  await expect(room.begin('b', 'owner', 21, true)).rejects.toMatchObject(REACHED)
})

test('there is one whole upload to a URL at a time; parts of one are the store’s affair', async () => {
  await using fixture = await open(null)
  const { room } = fixture
  {
    using _ = await room.begin('a', 'owner', 10, true)
    await expect(room.begin('a', 'owner', 10, true)).rejects.toMatchObject({ status: 409 })
    using part = await room.begin('a', 'owner', 10, false)
    expect(part.maxBytes).toBe(10)
  }
  using again = await room.begin('a', 'owner', 10, true)
  expect(again.maxBytes).toBe(10)
})

test('uploads that were removed as nobody’s are forgotten by their age', async () => {
  await using fixture = await open()
  const { uploads } = fixture
  await uploads.record('a', 'owner', 10)
  await uploads.forgetBefore(new Date(Date.now() - 60_000))
  expect(await uploads.bytesOf('owner', 'b')).toBe(10)
  await uploads.forgetBefore(new Date(Date.now() + 60_000))
  expect(await uploads.bytesOf('owner', 'b')).toBe(0)
})
