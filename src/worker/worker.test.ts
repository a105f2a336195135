import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { submitted } from '../jobs/new-job.fixture.ts'
import { SqlJobStore } from '../jobs/sql-store.ts'
import { openSqlite } from '../jobs/sqlite/database.ts'
import { WorkerRegistry } from '../jobs/worker-registry.ts'
import { FolderPayloadStore } from '../payloads/folder/folder-store.ts'
import type { Transcriber } from './transcriber.ts'
import { Worker } from './worker.ts'

test('somebody who keeps the synchronous API busy does not stop another key’s jobs', async () => {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-worker-')))
  const database = stack.use(await openSqlite(path))
  const jobs = new SqlJobStore(database)
  const payloads = await FolderPayloadStore.open(join(path, 'payloads'))
  await payloads.write('uploads/one.mp3', Readable.from([Buffer.from('sound')]))
  const urgent = { keyId: 'busy', audioSeconds: 60, urgent: true, payloadKey: 'uploads/one.mp3' }
  const long = await submitted(jobs, { keyId: 'other', audioSeconds: 10_800, payloadKey: 'uploads/one.mp3' })
  for (let n = 0; n < 8; n++) await submitted(jobs, urgent)
  // Another one comes with each that is done: there are always some that wait.
  const transcriber: Transcriber = {
    transcribe: async () => {
      await submitted(jobs, urgent)
      return { text: '', language: 'en', duration: 1, segments: [] }
    },
    decodesHere: true,
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
  stack.use(
    new Worker({
      ...{ jobs, payloads, transcriber, logger: pino({ level: 'silent' }), leaseMs: 60_000, maxRunMs: null },
      ...{ slots: 1, expressSlots: 0, served: 'cpuflex', asked: ['cpuflex'], models: null },
      ...{ limits: { failures: 3, crashes: 3 }, workers: new WorkerRegistry(database) },
    }),
  )
  await expect.poll(async () => (await jobs.find(long.id))?.status).toBe('success')
  const finished = await database.queries
    .selectFrom('jobs')
    .select('urgent')
    .where('status', '=', 'success')
    .orderBy('completed_at')
    .limit(4)
    .execute()
  expect(finished.map((row) => row.urgent)).toEqual([1, 1, 1, 0])
})
