import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { writeJoined } from '../support/joined-clip.ts'
import { Hub } from '../support/hub.ts'
import { PROJECT, Server, sotto, temporaryFolder } from '../support/server.ts'

/** The demo model, and a copy of it under another name. */
const ONE = 'sotto/whisper-demo'
const OTHER = 'openai/whisper-tiny'
const DEMO = join(PROJECT, 'models/whisper-demo')
/** Enough for one of them. */
const MODEL_MEMORY = '300MB'

test('users who keep one model busy for ever keep nobody out of another one, and go on', async () => {
  await using folder = await temporaryFolder()
  await using hub = await Hub.start({ [OTHER]: DEMO })
  const environment = { HF_ENDPOINT: hub.url, HF_HOME: folder.path, HF_HUB_OFFLINE: '0' }
  expect((await sotto(['models', 'pull', OTHER], { cwd: folder.path, environment })).code).toBe(0)
  const parts = ['--model-memory', MODEL_MEMORY, '--workers', '2', '--batch', '2']
  await using server = await Server.start({ dataDir: folder.path, arguments: parts, environment })
  const client = new Client(server.url, server.newKey ?? '')
  const long = join(folder.path, 'long.wav')
  await writeJoined(long, Array<string>(3).fill(fixture('en-one-minute.m4a')))
  const url = await client.upload(long)

  const finished: JobBody[] = []
  const isFinished = async (id: string | undefined): Promise<boolean> =>
    id !== undefined && (await client.poll(id)).status === 'success'
  let other: string | undefined
  let last = await client.submit(url, { model: ONE })
  for (let count = 1; !(await isFinished(other)); count++) {
    // Each of them begins before the one before it ends, so that their model is never idle by itself.
    await client.waitFor(last.id, ({ doneSeconds }) => doneSeconds > 60)
    const next = await client.submit(url, { model: ONE })
    if (count === 2) {
      other = (await client.submit(await client.upload(fixture('en-short.wav')), { model: OTHER })).id
    }
    finished.push(await client.finish(last.id))
    last = next
  }
  finished.push(await client.finish(last.id))
  const served = await client.poll(other ?? '')
  expect(served).toMatchObject({ status: 'success', model: OTHER })
  for (const job of finished) expect(job).toMatchObject({ status: 'success', model: ONE })
  const startedAt = Date.parse(served.startedAt ?? '')
  const during = finished.filter((job) => Date.parse(job.completedAt ?? '') < startedAt)
  const after = finished.filter((job) => Date.parse(job.startedAt ?? '') > Date.parse(served.completedAt ?? ''))
  expect(during.length).toBeGreaterThan(0)
  expect(after.length).toBeGreaterThan(0)
})
