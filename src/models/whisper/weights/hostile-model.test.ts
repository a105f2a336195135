import { execFile } from 'node:child_process'
import { cp } from 'node:fs/promises'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { HOSTILE_MODELS } from '../../../../test/support/hostile-model.ts'
import { LAYOUTS, SMALL_LAYOUT, writeRandomModel } from '../../../../test/support/random-model.ts'
import { PROJECT, temporaryFolder } from '../../../../test/support/server.ts'
import { CPU } from '../../../contract/device.ts'
import { planDevice } from '../planning/device-plan.ts'
import { WhisperModel } from '../model.ts'
import { estimateMemory } from '../planning/cpu-memory.ts'
import { readWhisperWeights } from './whisper-weights.ts'
import { countWeights } from '../planning/weight-count.ts'

const MIB = 2 ** 20

let good: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  good = await temporaryFolder()
  await writeRandomModel(good.path, SMALL_LAYOUT, { type: 'F32' })
})
afterAll(() => good[Symbol.asyncDispose]())

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder[Symbol.asyncDispose]())

test('the small model that is spoiled here is good', async () => {
  await using model = await WhisperModel.load(good.path, { threads: 1 })
  expect(model.dimensions.nState).toBe(SMALL_LAYOUT.dModel)
})

test.each(HOSTILE_MODELS)('$name: $code', async ({ code, spoil }) => {
  await cp(good.path, folder.path, { recursive: true })
  await spoil(folder.path)
  const before = process.memoryUsage().rss
  // What the server itself does with it, before the engine.
  const device = { ...CPU, name: 'webgpu' } as const
  for (const look of [
    () => estimateMemory(folder.path, { precision: 'auto', slots: 9 }),
    () => planDevice(folder.path, { device, precision: 'auto', memoryBytes: 2 ** 32 }),
  ]) {
    expect(await look().then(Boolean, (error: unknown) => error)).toSatisfy(isForeseen)
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB)
  await expect(WhisperModel.load(folder.path, { threads: 1 })).rejects.toMatchObject({
    name: 'EngineError',
    code,
    retryable: false,
  })
  expect(process.memoryUsage().rss - before).toBeLessThan(600 * MIB)
})

function isForeseen(value: unknown): boolean {
  return value === true || (value instanceof Error && value.name === 'EngineError')
}

test('what the machine lacks is not the model’s fault, and another try may help', async () => {
  const program = `
    import { closeSync, openSync } from 'node:fs'
    import { readWhisperWeights } from '${PROJECT}/src/models/whisper/weights/whisper-weights.ts'
    import { buildEncoder } from '${PROJECT}/src/models/whisper/graph/encoder-graph.ts'
    import { createSession } from '${PROJECT}/src/speech/inference/session.ts'
    const folder = '${PROJECT}/models/whisper-demo'
    const encoder = buildEncoder(await readWhisperWeights(folder))
    const held = []
    try {
      for (;;) held.push(openSync('/dev/null'))
    } catch {}
    const outcomeOf = (work) => work.then(() => 'good', (error) => [error.code, error.retryable, error.cause !== undefined])
    const outcomes = [await outcomeOf(readWhisperWeights(folder)), await outcomeOf(createSession(encoder, 1))]
    for (const descriptor of held.splice(-10)) closeSync(descriptor)
    outcomes.push(await outcomeOf(readWhisperWeights(folder)), await outcomeOf(createSession(encoder, 1)))
    console.log(JSON.stringify(outcomes))
  `
  const limited = 'ulimit -n 128; exec "$0" "$@"'
  const args = ['-c', limited, process.execPath, '--input-type=module', '-e', program]
  const { stdout } = await promisify(execFile)('sh', args)
  expect(JSON.parse(stdout)).toEqual([['EMFILE', null, false], ['engine.load_failed', true, true], 'good', 'good'])
})

test.each(['tiny', 'tiny.en', 'large-v3-cut', 'demo'] as const)(
  'as many weights are counted by the sizes as there are: %s',
  async (name) => {
    const path = name === 'demo' ? `${PROJECT}/models/whisper-demo` : folder.path
    if (name !== 'demo') await writeRandomModel(path, LAYOUTS[name], { type: 'F16' })
    const { dimensions, tensors } = await readWhisperWeights(path)
    const sum = (half: string): number =>
      [...tensors]
        .filter(([tensor]) => tensor.startsWith(half))
        .reduce((total, [, { shape }]) => total + shape.reduce((product, extent) => product * extent, 1), 0)
    expect(countWeights(dimensions)).toEqual({ encoder: sum('encoder.'), decoder: sum('decoder.') })
  },
)
