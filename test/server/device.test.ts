import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { Hub } from '../support/hub.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'
import { writeShallowDemo } from '../support/short-window.ts'
import { NEEDS_SOFTWARE_GPU, SOFTWARE_GPU, hasSoftwareGpu } from '../support/software-gpu.ts'

const MODEL = 'acme/whisper-shallow'
/** One window; a job has windows of 30 s, and the encoder takes half a minute of the CPU for one of the demo's. */
const INPUT = { language: 'en', beam_size: 3, word_timestamps: true, temperature: [0], clip_timestamps: '0,1.5' }

describe.skipIf(!hasSoftwareGpu)(`a server with WebGPU in software${NEEDS_SOFTWARE_GPU}`, () => {
  let stack: AsyncDisposableStack
  let client: Client
  let onDevice: JobBody
  beforeAll(async () => {
    stack = new AsyncDisposableStack()
    const { path } = stack.use(await temporaryFolder())
    const repository = join(path, 'repository')
    await writeShallowDemo(repository)
    const hub = stack.use(await Hub.start({ [MODEL]: repository }))
    const models = { SOTTO_MODELS: MODEL, HF_HOME: join(path, 'home'), HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' }
    const environment = { ...SOFTWARE_GPU, SOTTO_GPU_FALLBACK: 'off', ...models }
    const server = stack.use(await Server.start({ dataDir: path, environment }))
    client = new Client(server.url, server.newKey ?? '')
    onDevice = await transcribe('gpuflex')
  })
  afterAll(() => stack.disposeAsync())

  const transcribe = (serviceTier: 'gpuflex' | 'cpuflex'): Promise<JobBody> =>
    client.transcribe(fixture('en-short.wav'), { model: MODEL, serviceTier, input: INPUT })

  test('a gpuflex job runs on the device', () => {
    expect(onDevice).toMatchObject({ status: 'success', serviceTier: 'gpuflex', servedTier: 'gpuflex' })
  })

  test('a cpuflex job runs on the CPU, and both give the same tokens, beams and words', async () => {
    const onCpu = await transcribe('cpuflex')
    expect(onCpu).toMatchObject({ status: 'success', serviceTier: 'cpuflex', servedTier: 'cpuflex' })
    const flat = ({ result }: JobBody) => ({
      tokens: result?.segments.map(({ seek, tokens }) => [seek, tokens]),
      words: result?.segments.flatMap(({ words = [] }) => words.map(({ word, start, end }) => [word, start, end])),
    })
    expect(onDevice.result?.text).toMatch(/\w/)
    expect(flat(onDevice)).toEqual(flat(onCpu))
    expect(flat(onCpu).words?.length).toBeGreaterThan(3)
  })
})

test('a device that is asked for by its name and is not there ends the start, with what helps', async () => {
  await using folder = await temporaryFolder()
  const environment = { SOTTO_DEVICE: 'cuda' }
  const { code, stderr } = await sotto(['serve', '--port', '0', '--data-dir', folder.path], {
    cwd: folder.path,
    environment,
  })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^sotto: SOTTO_DEVICE is cuda\. .*libonnxruntime_providers_cuda\.so.* auto or cpu /m)
})
