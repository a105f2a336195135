import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Hub } from '../support/hub.ts'
import { PROJECT, Server, sotto, temporaryFolder } from '../support/server.ts'

const ID = 'openai/whisper-tiny'
const DEMO = join(PROJECT, 'models/whisper-demo')
const CLIP = fixture('en-short.wav')

// Side by side: both wait for what the server pauses between its tries.
test.concurrent('a job outlives a hub that is down for a moment, and its history tells of that', async () => {
  await using folder = await temporaryFolder()
  // As many as one run of a job asks for, and one more.
  let failures = 4
  const answer = () => (failures-- > 0 ? { status: 503, body: '' } : undefined)
  await using hub = await Hub.start({ [ID]: DEMO }, { faults: { answer } })
  const environment = { HF_ENDPOINT: hub.url, HF_HOME: folder.path, HF_HUB_OFFLINE: '0' }
  await using server = await Server.start({ dataDir: folder.path, environment })
  const client = new Client(server.url, server.newKey ?? '')
  const job = await client.transcribe(CLIP, { model: ID })
  expect(job).toMatchObject({ status: 'success', model: ID })
  expect(failures).toBeLessThan(0)
  const data = ['--data-dir', folder.path]
  const history = await sotto(['jobs', 'history', job.id, '--json', ...data], { cwd: folder.path, environment })
  const events = history.stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
  expect(events).toMatchObject([
    { kind: 'accepted', data: { model: ID } },
    { kind: 'claimed', data: { attempt: 1, worker: expect.any(String) } },
    { kind: 'retried', data: { code: 'model.unreachable', notBefore: expect.any(String) } },
    { kind: 'claimed', data: { attempt: 2 } },
    ...events.slice(4, -3).map(() => ({ kind: 'weights' })),
    { kind: 'weights', data: { receivedBytes: totalOf(events.at(-3)), totalBytes: totalOf(events.at(-3)) } },
    { kind: 'window', data: { windows: 1, doneSeconds: expect.any(Number), audioSeconds: expect.any(Number) } },
    { kind: 'finished', data: { status: 'success' } },
  ])
  const lines = (await sotto(['jobs', 'history', job.id, ...data], { cwd: folder.path, environment })).stdout.split(
    '\n',
  )
  expect(lines[2]).toMatch(/^20\S+Z {2}retried +code model\.unreachable, notBefore 20/)
})

function totalOf(event: unknown): unknown {
  return typeof event === 'object' && event !== null && 'data' in event
    ? (event.data as { totalBytes?: number }).totalBytes
    : undefined
}

test.concurrent('a hub that stays away fails the job, and the message says what to do', async () => {
  await using folder = await temporaryFolder()
  await using hub = await Hub.start({ [ID]: DEMO }, { faults: { answer: () => ({ status: 503, body: '' }) } })
  const environment = { HF_ENDPOINT: hub.url, HF_HOME: folder.path, HF_HUB_OFFLINE: '0' }
  await using server = await Server.start({ dataDir: folder.path, environment })
  const client = new Client(server.url, server.newKey ?? '')
  const { status, error } = await client.transcribe(CLIP, { model: ID })
  expect({ status, error }).toEqual({
    status: 'failed',
    error: { code: 'model.unreachable', message: expect.stringMatching(/503.*hf download openai\/whisper-tiny/s) },
  })
})

test('sotto models pull refuses an index that leads elsewhere', async () => {
  await using folder = await temporaryFolder()
  await using source = await temporaryFolder()
  for (const file of ['config.json', 'tokenizer.json']) await copyFile(join(DEMO, file), join(source.path, file))
  await writeFile(join(source.path, 'model.safetensors.index.json'), '{"weight_map": {"a": "../x"}}')
  await using hub = await Hub.start({ [ID]: source.path })
  const environment = { HF_ENDPOINT: hub.url, HF_HOME: folder.path, HF_HUB_OFFLINE: '0' }
  const { code, stdout, stderr } = await sotto(['models', 'pull', ID], { cwd: folder.path, environment })
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain('model.safetensors.index.json')
})
