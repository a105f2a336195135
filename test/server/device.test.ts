import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Segment } from '../../src/contract/transcript.ts'
import { Client } from '../support/client.ts'
import { fixture } from '../support/clips.ts'
import { goldenClips } from '../support/golden.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'
import { NEEDS_SOFTWARE_GPU, SOFTWARE_GPU, hasSoftwareGpu } from '../support/software-gpu.ts'

const TIMEOUT = { timeout: 300_000 }

describe.skipIf(!hasSoftwareGpu)(`a server with WebGPU in software${NEEDS_SOFTWARE_GPU}`, () => {
  let stack: AsyncDisposableStack
  let client: Client
  beforeAll(async () => {
    stack = new AsyncDisposableStack()
    const folder = stack.use(await temporaryFolder())
    const environment = { ...SOFTWARE_GPU, SOTTO_GPU_FALLBACK: 'off' }
    const server = stack.use(await Server.start({ dataDir: folder.path, environment }))
    client = new Client(server.url, server.newKey ?? '')
  }, TIMEOUT.timeout)
  afterAll(() => stack.disposeAsync())

  test('a gpuflex job runs on the device and gives what the reference gives, beams and words', TIMEOUT, async () => {
    const run = goldenClips()
      .find(({ name }) => name === 'en-short')
      ?.runs.find(({ name }) => name === 'beam3-words')
    const job = await client.transcribe(fixture('en-short.wav'), { serviceTier: 'gpuflex', input: run?.options ?? {} })
    expect(job).toMatchObject({ status: 'success', serviceTier: 'gpuflex', servedTier: 'gpuflex' })
    expect(job.result?.text).toBe(run?.text)
    const flat = (segments: readonly Segment[]) => ({
      tokens: segments.flatMap(({ tokens }) => tokens),
      words: segments.flatMap(({ words = [] }) => words.map(({ word, start, end }) => [word, start, end])),
    })
    expect(flat(job.result?.segments ?? [])).toEqual(flat(run?.segments ?? []))
  })

  test('a cpuflex job runs on the CPU', async () => {
    const job = await client.transcribe(fixture('en-short.wav'), { serviceTier: 'cpuflex' })
    expect(job).toMatchObject({ status: 'success', serviceTier: 'cpuflex', servedTier: 'cpuflex' })
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
