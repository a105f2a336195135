import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { newJob } from '../../jobs/new-job.fixture.ts'
import { EVERY_TIER } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { OutboundGuard } from '../../outbound/guard.ts'
import { PayloadError } from '../../payloads/errors.ts'
import { FolderPayloadStore } from '../../payloads/folder/folder-store.ts'
import type { PayloadStore } from '../../payloads/payload-store.ts'
import { FetchRun } from './fetch-run.ts'
import type { FetchRunOptions } from './fetch-run.ts'

const SOUND = 'R'.repeat(1000)
const BIN = 'uploads/0198f2a1-0000-7000-8000-000000000000-00000000000000000000000000000000.bin'

/** A claimed job whose recording a real server has, on a real database and payload store. */
async function open(answer: (response: ServerResponse) => void, allow: readonly string[] = ['127.0.0.1']) {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-fetch-run-')))
  const database = stack.use(await openSqlite(path))
  const jobs = new SqlJobStore(database)
  const payloads = await FolderPayloadStore.open(join(path, 'payloads'))
  const files = createServer((_request, response) => answer(response))
  files.listen(0, '127.0.0.1')
  await once(files, 'listening')
  stack.defer(() => {
    files.closeAllConnections()
    files.close()
  })
  const address = files.address()
  const sourceUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/talk`
  const { job } = await jobs.submit(newJob({ sourceUrl, payloadKey: BIN, audioSeconds: 60 }))
  const [claimed] = await jobs.claim({ ...EVERY_TIER, asked: ['fetch'], served: null })
  if (claimed === undefined) throw new Error('nothing to fetch')
  const stop = new AbortController()
  const options: FetchRunOptions = {
    ...{ jobs, payloads, guard: new OutboundGuard({ allow }), logger: pino({ level: 'silent' }) },
    probe: { lengthOf: () => Promise.resolve({ seconds: 12.5, isFinal: true }) },
    ...{ leaseMs: 60_000, maxRunMs: null, limits: { failures: 3, crashes: 3 }, maxBytes: 10_000, limitMs: 60_000 },
  }
  const opened = stack.move()
  return {
    ...{ jobs, payloads, stop },
    run: (given: Partial<FetchRunOptions> = {}): Promise<void> =>
      new FetchRun({ ...options, ...given }, claimed).run(stop.signal),
    found: () => jobs.find(job.id),
    told: async () => (await jobs.events(job.id, 0, 100)).map(({ kind, data }) => ({ kind, data })),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

type Answer = (response: ServerResponse) => void

const whole: Answer = (response) => {
  response.writeHead(200, { 'content-type': 'audio/mpeg', 'content-length': SOUND.length }).end(SOUND)
}
const tooMuch: Answer = (response) => {
  response.end('R'.repeat(20_000))
}
const nothing: Answer = (response) => {
  response.writeHead(404).end()
}

test('the recording is stored under a name that tells its format, and the job waits for its turn', async () => {
  await using place = await open(whole)
  await place.run()
  const payloadKey = BIN.replace(/bin$/, 'mp3')
  expect(await place.found()).toMatchObject({ status: 'pending', payloadKey, sourceUrl: null, audioSeconds: 12.5 })
  expect(await text(await place.payloads.read(payloadKey))).toBe(SOUND)
  expect((await place.told()).slice(2)).toEqual([
    { kind: 'fetch', data: { receivedBytes: 1000, totalBytes: 1000 } },
    { kind: 'released', data: {} },
  ])
})

test('a recording of a size that was not said is told of as complete at its end', async () => {
  await using place = await open((response) => void response.writeHead(200).end(SOUND))
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'pending', payloadKey: BIN })
  expect(await place.told()).toContainEqual({ kind: 'fetch', data: { receivedBytes: 1000, totalBytes: 1000 } })
})

test('a payload store that is away for a moment costs no try: the recording is fetched again', async () => {
  await using place = await open(whole)
  let writes = 0
  const write: PayloadStore['write'] = async (...given) => {
    writes += 1
    if (writes === 1) throw new PayloadError('payload.unavailable', 'It is away.')
    return await place.payloads.write(...given)
  }
  const readRange: PayloadStore['readRange'] = (...given) => place.payloads.readRange(...given)
  await place.run({ payloads: { write, readRange } })
  expect(await place.found()).toMatchObject({ status: 'pending', sourceUrl: null, failures: 0 })
})

test.each([
  ['fetch.too_large', tooMuch, ['127.0.0.1']],
  ['fetch.not_found', nothing, ['127.0.0.1']],
  // Listed when it was submitted, and not any more.
  ['fetch.refused', whole, []],
] as const)('a job that can’t be helped fails with %s, and leaves no recording', async (code, answer, allow) => {
  await using place = await open(answer, allow)
  await place.run()
  expect(await place.found()).toMatchObject({ status: 'failed', error: { code } })
  expect(await Array.fromAsync(place.payloads.list('uploads'))).toEqual([])
})

test('a server that breaks off is tried again after a pause', async () => {
  await using place = await open((response) => {
    response.writeHead(200, { 'content-length': 1000 })
    response.write('R', () => response.socket?.end())
  })
  await place.run()
  expect(await place.found()).toMatchObject({
    status: 'pending',
    failures: 1,
    waitingFor: { code: 'fetch.interrupted' },
  })
})

test('a worker that stops gives the job back as it is', async () => {
  const begun = Promise.withResolvers<void>()
  await using place = await open((response) => {
    response.writeHead(200).write('R')
    begun.resolve()
  })
  const running = place.run()
  await begun.promise
  place.stop.abort()
  await running
  expect(await place.found()).toMatchObject({ status: 'pending', failures: 0, sourceUrl: expect.any(String) })
  expect(await Array.fromAsync(place.payloads.list('uploads'))).toEqual([])
})
