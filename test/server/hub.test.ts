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

test('a job outlives a hub that is down for a moment', async () => {
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
})

test('a hub that stays away fails the job, and the message says what to do', async () => {
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
