import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { EVERY_TIER, newJob } from '../src/jobs/new-job.fixture.ts'
import { Garbage } from '../src/jobs/keeping/garbage.ts'
import { GarbageCollector } from '../src/jobs/keeping/garbage-collector.ts'
import { findOrphans } from '../src/jobs/keeping/orphans.ts'
import { resultKeyOf } from '../src/jobs/result-key.ts'
import { SqlJobStore } from '../src/jobs/sql/sql-store.ts'
import { openSqlite } from '../src/jobs/sqlite/database.ts'
import { FolderPayloadStore } from '../src/payloads/folder/folder-store.ts'
import { temporaryFolder } from './support/server.ts'

const DAY_MS = 86_400_000

test('what no job knows is removed when it is old enough, and nothing else', async () => {
  await using folder = await temporaryFolder()
  await using database = await openSqlite(folder.path)
  const jobs = new SqlJobStore(database)
  const payloads = await FolderPayloadStore.open(join(folder.path, 'payloads'))
  const put = async (key: string, ageMs: number): Promise<string> => {
    await payloads.write(key, Readable.from([Buffer.from(key)]))
    const at = new Date(Date.now() - ageMs)
    await utimes(join(folder.path, 'payloads/objects', key), at, at)
    return key
  }
  const { job } = await jobs.submit(newJob({ payloadKey: await put('uploads/submitted.mp3', 2 * DAY_MS) }))
  const [claimed] = await jobs.claim(EVERY_TIER)
  const result = await put(resultKeyOf(job.id, 1), 2 * DAY_MS)
  const kept = [job.payloadKey, result, await put('uploads/new.mp3', 0)]
  if (claimed !== undefined) await jobs.succeed(claimed.lease, result)
  const orphans = [
    await put('uploads/forgotten.mp3', 2 * DAY_MS),
    await put(resultKeyOf(job.id, 2), 2 * DAY_MS),
    await put(resultKeyOf('gone', 1), 2 * DAY_MS),
  ]

  const { signal } = new AbortController()
  const garbage = new Garbage(database)
  const before = new Date(Date.now() - DAY_MS)
  expect(await findOrphans({ jobs, payloads, garbage, before }, signal)).toBe(orphans.length)
  const errors: unknown[] = []
  await using collector = new GarbageCollector({ garbage, payloads, onError: (error) => errors.push(error) })
  await collector.clear()
  expect(errors).toEqual([])
  for (const key of orphans) expect(await payloads.size(key)).toBeUndefined()
  for (const key of kept) expect(await payloads.size(key)).toBeGreaterThan(0)
})
