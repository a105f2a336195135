import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { PROJECT } from '../test/support/server.ts'
import { LAYOUTS, writeRandomModel } from '../test/support/random-model.ts'
import type { Layout } from '../test/support/random-model.ts'
import { loadConfig } from '../src/config/config.ts'
import { CPU } from '../src/contract/device.ts'
import type { Device } from '../src/contract/device.ts'
import { planDevice } from '../src/models/whisper/planning/device-plan.ts'
import { openDevice } from '../src/speech/inference/open-device.ts'
import type { Slot } from '../src/models/whisper/inference/slot.ts'
import { WhisperModel } from '../src/models/whisper/model.ts'

/**
 * How many seconds of audio a device transcribes in a second, and how that grows with the windows that are decoded together, beside
 * the CPU, as JSON lines and a table. The weights are random, of the published shapes; each window is encoded and a fixed number of
 * tokens decoded, one by one, of one sequence or of five beams.
 *
 *     npm run bench -- gpu [--device auto] [--memory 4G] [--tokens 100] [--batches 1,2,4,8,16,32] [--beams 1,5] [--cpu] [small|large-v3-turbo|demo…]
 */
const WINDOW_SECONDS = 30

const SHAPES: Readonly<Record<string, Layout>> = {
  small: LAYOUTS.small,
  'large-v3-turbo': { ...LAYOUTS['large-v3-cut'], layers: { encoder: 32, decoder: 4 } },
}

interface Row {
  readonly device: string
  readonly model: string
  /** Windows that are decoded together. */
  readonly batch: number
  readonly beams: number
  readonly encodeMs: number
  /** A token of every window, all beams. */
  readonly stepMs: number
  readonly audioSecondsPerSecond: number
}

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      device: { type: 'string', default: 'auto' },
      memory: { type: 'string', default: '4G' },
      tokens: { type: 'string', default: '100' },
      batches: { type: 'string', default: '1,2,4,8,16,32' },
      beams: { type: 'string', default: '1,5' },
      cpu: { type: 'boolean', default: false },
    },
  })
  const { engine } = loadConfig({}, { device: values.device, 'device-memory': values.memory })
  const device = await openDevice(engine.device)
  console.log(JSON.stringify({ device, cpu: cpus()[0]?.model, cores: cpus().length, node: process.version }))
  const numbers = (text: string): readonly number[] => text.split(',').map(Number)
  const options = {
    memoryBytes: engine.deviceMemoryBytes,
    tokens: Number(values.tokens),
    batches: numbers(values.batches),
    beams: numbers(values.beams),
  }
  const rows: Row[] = []
  for (const model of positionals.length > 0 ? positionals : Object.keys(SHAPES)) {
    await using stored = await modelOf(model)
    for (const on of values.cpu && device.name !== 'cpu' ? [device, CPU] : [device]) {
      for await (const row of measure(on, model, stored.folder, options)) {
        console.log(JSON.stringify(row))
        rows.push(row)
      }
    }
  }
  console.table(rows)
}

async function modelOf(model: string): Promise<{ readonly folder: string } & AsyncDisposable> {
  const layout = SHAPES[model]
  if (layout === undefined && model !== 'demo') {
    throw new Error(`There is no shape ${model}: ${Object.keys(SHAPES).join(', ')}, demo.`)
  }
  if (layout === undefined) {
    return { folder: join(PROJECT, 'models/whisper-demo'), [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const folder = await mkdtemp(join(tmpdir(), 'sotto-bench-'))
  await writeRandomModel(folder, layout, { type: 'F16' })
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

async function* measure(
  device: Device,
  name: string,
  folder: string,
  options: {
    readonly memoryBytes: number
    readonly tokens: number
    readonly batches: readonly number[]
    readonly beams: readonly number[]
  },
): AsyncGenerator<Row> {
  const { memoryBytes, tokens, batches, beams } = options
  const { slots: room } = await planDevice(folder, { device, precision: 'auto', memoryBytes })
  const fitting = batches.filter((batch) => batch <= room)
  await using model = await WhisperModel.load(folder, {
    threads: cpus().length,
    device,
    slots: Math.max(1, ...fitting),
    precision: device.name === 'cpu' ? 'f32' : 'auto',
  })
  const { dimensions, tokenizer } = model
  const mel = Float32Array.from({ length: dimensions.nMels * 2 * dimensions.nAudioCtx }, (_, index) => Math.sin(index))
  for (const batch of fitting) {
    for (const count of beams) {
      await using stack = new AsyncDisposableStack()
      const slots = Array.from({ length: batch }, () => stack.use(model.slot()))
      // The first run compiles shaders.
      await decode(slots, { mel, first: tokenizer.sot, count, tokens: 2 })
      const { encodeMs, stepsMs } = await decode(slots, { mel, first: tokenizer.sot, count, tokens })
      yield {
        device: device.name,
        model: name,
        batch,
        beams: count,
        encodeMs: round(encodeMs / batch),
        stepMs: round(stepsMs / tokens),
        audioSecondsPerSecond: round((1000 * WINDOW_SECONDS * batch) / (encodeMs + stepsMs)),
      }
    }
  }
}

async function decode(
  slots: readonly Slot[],
  { mel, first, count, tokens }: { mel: Float32Array; first: number; count: number; tokens: number },
): Promise<{ readonly encodeMs: number; readonly stepsMs: number }> {
  const startMs = performance.now()
  for (const slot of slots) await slot.encode(mel)
  const encodedMs = performance.now()
  await Promise.all(
    slots.map(async (slot) => {
      await slot.read([first], [0])
      slot.rearrange(Array<number>(count).fill(0))
      const parents = Array.from({ length: count }, (_, beam) => (beam === 0 ? 0 : beam - 1))
      for (let step = 1; step < tokens; step++) {
        await slot.read(Array<number>(count).fill(step), [0], { top: count + 1 })
        slot.rearrange(parents)
      }
    }),
  )
  return { encodeMs: encodedMs - startMs, stepsMs: performance.now() - encodedMs }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
