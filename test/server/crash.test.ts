import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { writeJoined } from '../support/joined-clip.ts'
import { Server, temporaryFolder } from '../support/server.ts'
import { untilWindows, windowsOf } from '../support/window-log.ts'

const CLIP = fixture('en-one-minute.m4a')
const KEY = 'a-key-that-every-start-is-given'
const POLL_MS = 20
/** Few tokens a window make many windows of a short recording. */
const MANY_WINDOWS = { sample_len: 32 }
const environment = { SOTTO_API_KEY: KEY, SOTTO_LOG_LEVEL: 'debug' }

async function start(dataDir: string): Promise<{ server: Server; client: Client }> {
  const server = await Server.start({ dataDir, environment })
  return { server, client: new Client(server.url, KEY) }
}

describe('kill -9 of the server', () => {
  test('after the PUT was acknowledged: the upload can be submitted to the next server', async () => {
    await using folder = await temporaryFolder()
    const first = await start(folder.path)
    const url = await first.client.upload(fixture('en-short.wav'))
    await first.server.end('SIGKILL')

    const second = await start(folder.path)
    await using _ = second.server
    const { id } = await second.client.submit(url)
    expect((await second.client.finish(id)).status).toBe('success')
  })

  test('right after submits were acknowledged: the next server runs them all', async () => {
    await using folder = await temporaryFolder()
    const first = await start(folder.path)
    const url = await first.client.upload(fixture('en-short.wav'))
    const jobs = await Promise.all([1, 2, 3, 4, 5].map(() => first.client.submit(url)))
    await first.server.end('SIGKILL')

    const second = await start(folder.path)
    await using _ = second.server
    const finished = await Promise.all(jobs.map(({ id }) => second.client.finish(id)))
    expect(finished.map((job) => job.status)).toEqual(Array(5).fill('success'))
  })

  test('again and again while a job runs: it is done in the end, with the text of an undisturbed run', async () => {
    await using folder = await temporaryFolder()
    let { server, client } = await start(folder.path)
    const url = await client.upload(CLIP)
    const undisturbed = await client.finish((await client.submit(url)).id)
    const { id } = await client.submit(url)
    for (let kill = 0; kill < 5; kill++) {
      await client.waitFor(id, (job) => job.status === 'processing')
      await server.end('SIGKILL')
      ;({ server, client } = await start(folder.path))
    }
    await using _ = server
    const job = await client.finish(id)
    expect(job.status).toBe('success')
    expect(job.result).toEqual(undisturbed.result)
  })

  test('with a result stored: the result is there after the next start, and nothing is left over', async () => {
    await using folder = await temporaryFolder()
    const first = await start(folder.path)
    const job = await first.client.transcribe(fixture('en-short.wav'))
    await first.server.end('SIGKILL')

    const second = await start(folder.path)
    await using _ = second.server
    expect(await second.client.poll(job.id)).toEqual(job)
    // What the new one writes at its start passes through there as well.
    await expect.poll(() => readdir(join(folder.path, 'payloads', 'tmp'))).toEqual([])
  })
})

describe('in the middle of a recording of several minutes', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let long: string
  /** Of a run that nobody disturbs: what the job says, and its windows. */
  let result: JobBody['result']
  let all: readonly number[]
  beforeAll(async () => {
    folder = await temporaryFolder()
    long = join(folder.path, 'long.wav')
    await writeJoined(long, Array<string>(2).fill(CLIP))
    const { server, client } = await start(folder.path)
    await using _ = server
    const job = await client.transcribe(long, { input: MANY_WINDOWS })
    result = job.result
    all = windowsOf(server, job.id)
  }, 180_000)
  afterAll(() => folder[Symbol.asyncDispose]())

  /** Runs it until half of its windows are finished. */
  async function untilHalf(dataDir: string): Promise<{ server: Server; client: Client; id: string }> {
    const { server, client } = await start(dataDir)
    const { id } = await client.submit(await client.upload(long), { input: MANY_WINDOWS })
    await untilWindows(server, id, Math.floor(all.length / 2))
    return { server, client, id }
  }

  test.each(['SIGKILL', 'SIGTERM'] as const)('%s of the server: the next one goes on from there', async (signal) => {
    expect(all.length).toBeGreaterThan(6)
    await using data = await temporaryFolder()
    const { server, id } = await untilHalf(data.path)
    await server.end(signal)
    const before = windowsOf(server, id)

    const second = await start(data.path)
    await using _ = second.server
    const job = await second.client.finish(id)
    expect(job.result).toEqual(result)
    const behind = windowsOf(second.server, id)
    expect(behind).toEqual(all.slice(all.length - behind.length))
    // What the first server was told of and had not kept yet; besides it, one window may have been in the making.
    const repeated = before.length + behind.length - all.length
    expect(repeated).toBeGreaterThanOrEqual(0)
    expect(repeated).toBeLessThanOrEqual(1)
  })

  test('SIGKILL of the engine process: the next one goes on from there', async () => {
    await using data = await temporaryFolder()
    const { server, client, id } = await untilHalf(data.path)
    await using _ = server
    process.kill(await engineOf(server), 'SIGKILL')
    expect((await client.finish(id)).result).toEqual(result)
    expect(windowsOf(server, id)).toEqual(all)
  })

  test('SIGKILL of the engine process again and again in the same window: the job fails and says so', async () => {
    await using data = await temporaryFolder()
    const { server, client, id } = await untilHalf(data.path)
    await using _ = server
    await killUntilFailed(server, client, id)
    expect((await client.poll(id)).error).toMatchObject({ code: 'engine.crashed' })
  })
})

/** Kills each engine process as soon as it is there, until the job has failed. */
async function killUntilFailed(server: Server, client: Client, id: string): Promise<void> {
  const killed = new Set<number>()
  // The job pauses for seconds between its tries, in which to ask without a rest would keep a core busy.
  for (; (await client.poll(id)).status !== 'failed'; await delay(POLL_MS)) {
    const engine = await server.engine().catch(() => undefined)
    if (engine === undefined || killed.has(engine)) continue
    killed.add(engine)
    process.kill(engine, 'SIGKILL')
  }
}

/** Its engine process, as soon as there is one. */
async function engineOf(server: Server): Promise<number> {
  return await vi.waitFor(() => server.engine(), { timeout: 120_000, interval: 20 })
}

describe('kill -9 of the engine process', () => {
  test('in the middle of a job: it runs again in a new one, and the API never notices', async () => {
    await using folder = await temporaryFolder()
    const { server, client } = await start(folder.path)
    await using _ = server
    const { id } = await client.submit(await client.upload(CLIP))
    await client.waitFor(id, (job) => job.status === 'processing')
    const killed = await engineOf(server)
    process.kill(killed, 'SIGKILL')
    expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ status: 'ok' })
    expect((await client.finish(id)).status).toBe('success')
    expect(await server.engines()).not.toContain(killed)
  })

  test('again and again: the job fails and says so, and the next one runs', async () => {
    await using folder = await temporaryFolder()
    const { server, client } = await start(folder.path)
    await using _ = server
    const { id } = await client.submit(await client.upload(CLIP))
    await killUntilFailed(server, client, id)
    expect((await client.poll(id)).error).toMatchObject({ code: 'engine.crashed' })
    expect((await client.transcribe(fixture('en-short.wav'))).status).toBe('success')
  })

  test('that two jobs share: each runs again in one of its own, so that one can’t bring down the other', async () => {
    await using folder = await temporaryFolder()
    const { server, client } = await start(folder.path)
    await using _ = server
    const url = await client.upload(CLIP)
    // So that neither ends before both have begun.
    const jobs = [await client.submit(url, { input: MANY_WINDOWS }), await client.submit(url, { input: MANY_WINDOWS })]
    for (const { id } of jobs) await untilWindows(server, id, 1)
    const shared = await engineOf(server)
    process.kill(shared, 'SIGKILL')
    const others = async () => (await server.engines()).filter((pid) => pid !== shared)
    await expect.poll(others, { interval: 20 }).toHaveLength(2)
    for (const { id } of jobs) expect((await client.finish(id)).status).toBe('success')
    await expect.poll(() => server.engines()).toEqual([])
  })

  test('goes with the server, however that ends', async () => {
    await using folder = await temporaryFolder()
    const { server, client } = await start(folder.path)
    await client.transcribe(fixture('en-short.wav'))
    const engine = await server.engine()
    await server.end('SIGKILL')
    const isGone = (): boolean => {
      try {
        process.kill(engine, 0)
        return false
      } catch {
        return true
      }
    }
    await expect.poll(isGone).toBe(true)
  })
})

describe('SIGTERM', () => {
  test('gives the running job back to the queue and ends with 0; the next start carries on', async () => {
    await using folder = await temporaryFolder()
    const first = await start(folder.path)
    const { id } = await first.client.submit(await first.client.upload(CLIP))
    await first.client.waitFor(id, (job) => job.status === 'processing')
    expect(await first.server.end('SIGTERM')).toBe(0)

    const second = await start(folder.path)
    await using _ = second.server
    expect((await second.client.finish(id)).status).toBe('success')
  })
})
