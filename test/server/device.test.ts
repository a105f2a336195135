import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Segment } from '../../src/contract/transcript.ts'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { SMALL_LAYOUT, writeRandomModel } from '../support/random-model.ts'
import type { Layout } from '../support/random-model.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'
import { NEEDS_SOFTWARE_GPU, SOFTWARE_GPU, hasSoftwareGpu } from '../support/software-gpu.ts'

const MODEL = 'acme/random'
/** A window of 30 seconds, in as few numbers as there can be: a GPU in software takes half a minute for that of the demo model. */
const LAYOUT: Layout = {
  ...{ ...SMALL_LAYOUT, heads: 1, layers: { encoder: 1, decoder: 1 } },
  ...{ melBins: 80, audioContext: 1500, timestamps: 1501 },
}
/** Noise is what such a model hears; nothing of it is to be thrown away. */
const INPUT = {
  ...{ language: 'en', beam_size: 3, word_timestamps: true, temperature: [0], sample_len: 12 },
  ...{ no_speech_threshold: null, logprob_threshold: null, compression_ratio_threshold: null },
}

/** Lays the model where its download would. */
async function writeModel(home: string): Promise<void> {
  const commit = '0'.repeat(40)
  const cache = join(home, 'hub', `models--${MODEL.replace('/', '--')}`)
  await mkdir(join(cache, 'refs'), { recursive: true })
  await writeRandomModel(join(cache, 'snapshots', commit), LAYOUT, { type: 'F32' })
  await writeFile(join(cache, 'refs/main'), commit)
}

describe.skipIf(!hasSoftwareGpu)(`a server with WebGPU in software${NEEDS_SOFTWARE_GPU}`, () => {
  let stack: AsyncDisposableStack
  let client: Client
  beforeAll(async () => {
    stack = new AsyncDisposableStack()
    const folder = stack.use(await temporaryFolder())
    await writeModel(folder.path)
    const environment = { ...SOFTWARE_GPU, SOTTO_GPU_FALLBACK: 'off', HF_HOME: folder.path }
    const options = { dataDir: folder.path, environment, arguments: ['--models', MODEL] }
    const server = stack.use(await Server.start(options))
    client = new Client(server.url, server.newKey ?? '')
  })
  afterAll(() => stack.disposeAsync())

  test('a gpuflex job runs on the device, a cpuflex job on the CPU, and both give the same, beams and words', async () => {
    const run = async (serviceTier: string): Promise<readonly Segment[]> => {
      const job = await client.transcribe(fixture('en-short.wav'), { model: MODEL, input: INPUT, serviceTier })
      expect(job).toMatchObject({ status: 'success', serviceTier, servedTier: serviceTier })
      return job.result?.segments ?? []
    }
    const flat = (segments: readonly Segment[]) => ({
      tokens: segments.flatMap(({ tokens }) => tokens),
      words: segments.flatMap(({ words = [] }) => words.map(({ word, start, end }) => [word, start, end])),
    })
    const [onDevice, onCpu] = [flat(await run('gpuflex')), flat(await run('cpuflex'))]
    expect(onDevice.words.length).toBeGreaterThan(0)
    expect(onDevice).toEqual(onCpu)
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
