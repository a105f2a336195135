/**
 * What the tests of a device run in a process of its own, whose environment names the driver: `node --expose-gc device-model.child.ts <folder>`.
 * Everything is done on the device and on the CPU, with the demo model whose window was cut to five seconds.
 */
import { join } from 'node:path'
import process from 'node:process'
import { isDeepStrictEqual } from 'node:util'
import { goldenJson, goldenTensor, maxError } from './golden.ts'
import { SMALL_LAYOUT, writeRandomModel } from './random-model.ts'
import { writeShortWindowDemo } from './short-window.ts'
import { decode } from '../../src/models/whisper/decoding/decode.ts'
import type { DecodingOptions } from '../../src/models/whisper/decoding/decoding-options.ts'
import { WhisperModel } from '../../src/models/whisper/model.ts'
import { DeviceCaches } from '../../src/models/whisper/inference/device-caches.ts'
import { CELLS_PER_BLOCK } from '../../src/models/whisper/inference/device-cells.ts'
import { openDevice } from '../../src/speech/inference/open-device.ts'
import type { Slot } from '../../src/models/whisper/inference/slot.ts'

const POSITIONS = 250
const MEL = { bands: 80, frames: 3000 }
const OPTIONS: DecodingOptions = {
  ...{ task: 'transcribe', language: 'en', prompt: [], prefix: [], suppressTokens: [-1], suppressBlank: true },
  ...{ withoutTimestamps: false, maxInitialTimestamp: 1, sampleLength: null, temperature: 0, beamSize: null },
  ...{ patience: null, bestOf: null, lengthPenalty: null, seed: 0, seek: 0 },
}
const BEAMS: DecodingOptions = { ...OPTIONS, beamSize: 5 }
/** Steps of an interval, and how many intervals there are: what is left behind adds up in each, what is taken once in one. */
const STEPS = 15
const INTERVALS = 4

export interface Findings {
  readonly device: unknown
  readonly auto: unknown
  readonly encoder: number
  readonly texts: readonly string[]
  readonly areTokensEqual: boolean
  readonly logprob: number
  readonly alignment: number
  readonly heads: readonly number[]
  /** Beyond the cells that caches begin with. */
  readonly grown: number
  readonly location: string
  readonly isRankingEqual: boolean
  readonly ranking: number
  /** Of the process, in the interval in which it grew least. */
  readonly grownBytes: number
  readonly steps: number
  readonly cacheBytes: number
}

const [folder = ''] = process.argv.slice(2)
await writeShortWindowDemo(folder, POSITIONS)
const whole = goldenTensor('en-short.mel.f32')
const mel = new Float32Array(MEL.bands * 2 * POSITIONS)
for (let band = 0; band < MEL.bands; band++) {
  mel.set(whole.subarray(band * MEL.frames, band * MEL.frames + 2 * POSITIONS), band * 2 * POSITIONS)
}
const { tokens } = goldenJson<{ tokens: number[] }>('tensors.json')

const device = await openDevice('webgpu')
await using cpu = await WhisperModel.load(folder, { threads: 1 })
await using model = await WhisperModel.load(folder, { threads: 1, slots: 2, device })
const slots = [model.slot(), model.slot()] as const
const [slot, other] = slots
const onCpu = cpu.slot()

const encoded = (await onCpu.encode(mel)).slice()
const encoder = maxError(await slot.encode(mel), encoded)
await other.encode(mel)
const results = await Promise.all([decode(model, slot, OPTIONS), decode(model, other, BEAMS)])
const expected = [await decode(cpu, onCpu, OPTIONS), await decode(cpu, onCpu, BEAMS)]

const [aligned, alignedOnCpu] = [await other.align(tokens, [2, 3]), await onCpu.align(tokens, [2, 3])]
const alignment = maxError(aligned.logits, alignedOnCpu.logits)
const heads = aligned.heads.map((head, index) => maxError(head, alignedOnCpu.heads[index]!))

/** Reads more than the caches have cells for, in one sequence and then in five that change places. */
async function readMuch(into: Slot): Promise<Float32Array> {
  const { timestampBegin } = model.tokenizer
  const many = Array.from({ length: CELLS_PER_BLOCK - 8 }, (_, index) => (index * 7) % timestampBegin)
  into.restart()
  await into.read(many, [0])
  into.rearrange([0, 0, 0, 0, 0])
  await into.read([1, 2, 3, 4, 5], [0])
  into.rearrange([4, 3, 3, 1, 0])
  return (await into.read([6, 7, 8, 9, 10], [0], { wantsLogits: true })).logits.slice()
}
const grown = maxError(await readMuch(other), await readMuch(onCpu))

/** A vocabulary that is ranked in several parts, which the demo model's is not; windows with masks of their own. */
async function rank(from: WhisperModel): Promise<{ readonly tokens: number[]; readonly scores: Float32Array }> {
  const { dimensions } = from
  const values = dimensions.nMels * 2 * dimensions.nAudioCtx
  const masks = [from.maskOf([3, 17, 250, 299, 305]), undefined]
  const windows = masks.map(async (mask, index) => {
    using window = from.slot()
    await window.encode(Float32Array.from({ length: values }, (_, at) => Math.sin(at * (index + 1))))
    window.rearrange([0, 0])
    const options = { top: 5, ...(mask === undefined ? {} : { mask }) }
    const read = await window.read([from.tokenizer.sot, 7 + index], [0], options)
    return { tokens: [...read.topTokens], scores: [...read.topLogits, ...read.topLogprob, ...read.lastLogits] }
  })
  const read = await Promise.all(windows)
  return {
    tokens: read.flatMap((one) => one.tokens),
    scores: Float32Array.from(read.flatMap((one) => one.scores).filter(Number.isFinite)),
  }
}
const random = join(folder, 'random')
await writeRandomModel(random, SMALL_LAYOUT, { type: 'F32' })
await using small = await WhisperModel.load(random, { threads: 1, slots: 2, device })
await using smallOnCpu = await WhisperModel.load(random, { threads: 1, slots: 2 })
const [ranked, rankedOnCpu] = [await rank(small), await rank(smallOnCpu)]

await using caches = await DeviceCaches.create(model.dimensions, 2, device.floats)
const { location, size } = caches.ofFirst(2).feeds['past_key_0']!

async function step(count: number): Promise<void> {
  slot.restart()
  for (let index = 0; index < count; index++) await slot.read([tokens[index % tokens.length]!], [0])
}
/** Bytes of the process, without what waits to be collected. */
function resident(): number {
  globalThis.gc?.()
  return process.memoryUsage.rss()
}
const grownBytes: number[] = []
for (let interval = 0; interval < INTERVALS; interval++) {
  const before = resident()
  await step(STEPS)
  grownBytes.push(resident() - before)
}
const findings: Findings = {
  device,
  auto: await openDevice('auto'),
  encoder,
  texts: results.map(({ text }) => text),
  areTokensEqual: isDeepStrictEqual(
    results.map((result) => result.tokens),
    expected.map((result) => result.tokens),
  ),
  logprob: Math.max(...results.map(({ avgLogprob }, index) => Math.abs(avgLogprob - expected[index]!.avgLogprob))),
  alignment,
  heads,
  grown,
  location,
  isRankingEqual: isDeepStrictEqual(ranked.tokens, rankedOnCpu.tokens),
  ranking: maxError(ranked.scores, rankedOnCpu.scores),
  grownBytes: Math.min(...grownBytes),
  steps: STEPS,
  cacheBytes: size * Float32Array.BYTES_PER_ELEMENT * 2 * model.dimensions.nTextLayer,
}
process.stdout.write(JSON.stringify(findings))
