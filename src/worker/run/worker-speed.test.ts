import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import pino from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { submitted } from '../../jobs/new-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { WorkerRegistry } from '../../jobs/queue/worker-registry.ts'
import { FolderPayloadStore } from '../../payloads/folder/folder-store.ts'
import type { Transcriber } from '../transcriber.ts'
import { Worker } from '../worker.ts'

afterEach(() => void vi.useRealTimers())

test('a worker tells of its speed when a model is loaded and with its first window, and not only when it says again that it is there', async () => {
  // What it says now and then is never said.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-speed-'))
  await using database = await openSqlite(folder.path)
  const jobs = new SqlJobStore(database)
  const workers = new WorkerRegistry(database)
  const payloads = await FolderPayloadStore.open(join(folder.path, 'payloads'))
  const payloadKey = 'uploads/8a1d1ee5-0a6c-4cbe-8d3b-0c7a4e9b1f00.wav'
  await payloads.write(payloadKey, Readable.from([Buffer.from('audio')]))
  const { promise: expected, resolve: begin } = Promise.withResolvers<void>()
  const { promise: seen, resolve: end } = Promise.withResolvers<void>()
  const transcriber: Transcriber = {
    decodesHere: true,
    transcribe: async (_task, { onExpectedSpeed, onProgress }) => {
      onExpectedSpeed?.(1e-6)
      await expected
      onProgress?.({ phase: 'decoding', seconds: 90, totalSeconds: 90 })
      await workers.list()
      onProgress?.({ phase: 'transcribing', seconds: 30, totalSeconds: 90 })
      await seen
      return { text: '', language: 'en', duration: 90, segments: [] }
    },
    check: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
  const limits = { failures: 3, crashes: 5 }
  await using _ = new Worker({
    ...{ jobs, payloads, transcriber, workers, logger: pino({ level: 'silent' }), models: null },
    ...{ places: 1, expressPlaces: 0, served: 'cpuflex', asked: ['cpuflex'], leaseMs: 60_000, limits, maxRunMs: null },
  })
  const job = await submitted(jobs, { payloadKey })
  const speed = async (): Promise<number | undefined> => (await workers.list())[0]?.speeds[job.model]
  // `expect.poll` would let the time pass that stands still.
  while ((await speed()) === undefined) await delay(5)
  expect(await speed()).toBe(1e-6)
  begin()
  while ((await speed()) === 1e-6) await delay(5)
  expect(await speed()).toBeGreaterThan(1e-6)
  end()
})
