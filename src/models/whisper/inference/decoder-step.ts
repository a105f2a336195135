import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../weights/whisper-weights.ts'
import { ALIGNMENT_PREFIX } from '../graph/decoder-graph.ts'
import type { Caches } from './caches.ts'
import type { DecoderSlot } from './decoder-slot.ts'
import type { Reading, StepOutputs } from './reading.ts'
import { release } from '../../../speech/inference/release.ts'
import { StepTensors } from './step-tensors.ts'
import type { StepShape } from './step-tensors.ts'

/** A reading, and who waits for it. */
export interface WaitingReading extends Reading<DecoderSlot> {
  readonly resolve: (outputs: StepOutputs) => void
  readonly reject: (error: unknown) => void
}

/** What every step gives. */
const OUTPUTS = ['last_logits', 'top_tokens', 'top_logits', 'top_logprob', 'keys_values'] as const

/** Shapes with more rows are prompts, which differ in length; their tensors are not kept. */
const KEPT_ROWS = 256
/** Before all are let go of. */
const KEPT_SHAPES = 32

/** Runs the decoder's graph, for the readings of slots that follow each other. */
export class DecoderStep {
  readonly #session: InferenceSession
  readonly #dimensions: Dimensions
  readonly #caches: Caches
  readonly #noMask: Float32Array
  readonly #masks = new WeakMap<Float32Array, Tensor>()
  readonly #alignmentNames: readonly string[]
  readonly #tensors = new Map<string, StepTensors>()
  /** Of the caches that the tensors are views of. */
  #cells = 0

  constructor(session: InferenceSession, dimensions: Dimensions, caches: Caches) {
    this.#session = session
    this.#dimensions = dimensions
    this.#caches = caches
    this.#noMask = new Float32Array(dimensions.nVocab)
    this.#alignmentNames = session.outputNames.filter((name) => name.startsWith(ALIGNMENT_PREFIX))
  }

  /** @param batch of one kind: equal numbers of sequences and tokens, the same mask */
  async run(batch: readonly WaitingReading[]): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const tensors = this.#tensorsOf({
      firstSlot: first.slot.index,
      slots: batch.length,
      sequences: first.sequences,
      t: first.tokens.length / first.sequences,
      wanted: batch.reduce((sum, { logitsAt }) => sum + logitsAt.length, 0),
      top: Math.max(...batch.map(({ top }) => top)),
    })
    this.#fill(tensors, batch)
    const feeds = { ...tensors.feeds, mask_tokens: this.#maskTensor(first.mask ?? this.#noMask) }
    const outputs = await this.#session.run(feeds, [
      ...OUTPUTS,
      ...(first.wantsLogits ? ['logits'] : []),
      ...(first.isAlignment ? this.#alignmentNames : []),
    ])
    this.#answer(outputs, batch)
  }

  #tensorsOf(shape: StepShape): StepTensors {
    const { slots, sequences, t } = shape
    const create = (): StepTensors => new StepTensors(shape, this.#caches)
    if (slots * sequences * t > KEPT_ROWS) return create()
    if (this.#cells !== this.#caches.cells) {
      // Views of the old caches would keep them in memory.
      this.#tensors.clear()
      this.#cells = this.#caches.cells
    }
    const key = Object.values(shape).join()
    let tensors = this.#tensors.get(key)
    if (tensors === undefined) {
      if (this.#tensors.size === KEPT_SHAPES) this.#tensors.clear()
      tensors = create()
      this.#tensors.set(key, tensors)
    }
    return tensors
  }

  #fill({ tokens, positions, maskCells, logitsAt }: StepTensors, batch: readonly WaitingReading[]): void {
    const { cells } = this.#caches
    let row = 0
    let wanted = 0
    for (const reading of batch) {
      const { slot, sequences } = reading
      const t = reading.tokens.length / sequences
      for (const at of reading.logitsAt) logitsAt[wanted++] = row + at
      for (let index = 0; index < reading.tokens.length; index++, row++) {
        tokens[row] = reading.tokens[index]!
        positions[row] = slot.length + (index % t)
        maskCells.set(slot.cells.maskOf(Math.floor(index / t)), row * cells)
      }
    }
  }

  #answer(outputs: InferenceSession.ReturnType, batch: readonly WaitingReading[]): void {
    const { nAudioCtx } = this.#dimensions
    const topTokens = outputs['top_tokens']?.data
    if (!(topTokens instanceof Int32Array)) throw new TypeError('the session returned no int32 tensor')
    const all = batch.reduce((sum, { logitsAt }) => sum + logitsAt.length, 0)
    const rows = batch.reduce((sum, { tokens }) => sum + tokens.length, 0)
    const keysValues = floats(outputs, 'keys_values')
    let firstRow = 0
    let from = 0
    for (const { slot, tokens, logitsAt, wantsLogits, isAlignment, resolve } of batch) {
      const part = <Values extends Float32Array | Int32Array>(values: Values): Values => {
        const length = values.length / all
        return values.subarray(from * length, (from + logitsAt.length) * length) as Values
      }
      const partOf = (name: string): Float32Array => part(floats(outputs, name))
      if (!isAlignment) slot.keep(tokens.length, { keysValues, firstRow, rows })
      resolve({
        logits: wantsLogits ? partOf('logits') : NONE,
        lastLogits: partOf('last_logits'),
        topTokens: part(topTokens),
        topLogits: partOf('top_logits'),
        topLogprob: partOf('top_logprob'),
        heads: isAlignment
          ? this.#alignmentNames.flatMap((name) => split(floats(outputs, name), tokens.length * nAudioCtx))
          : [],
      })
      firstRow += tokens.length
      from += logitsAt.length
    }
    release(keysValues)
  }

  #maskTensor(mask: Float32Array): Tensor {
    let tensor = this.#masks.get(mask)
    if (tensor === undefined) {
      tensor = new Tensor('float32', mask, [mask.length])
      this.#masks.set(mask, tensor)
    }
    return tensor
  }
}

const NONE = new Float32Array(0)

function floats(outputs: InferenceSession.ReturnType, name: string): Float32Array {
  const data = outputs[name]?.data
  if (!(data instanceof Float32Array)) throw new TypeError(`the session returned no float32 tensor ${name}`)
  return data
}

/** Consecutive parts of equal length. */
function split(values: Float32Array, length: number): readonly Float32Array[] {
  return Array.from({ length: values.length / length }, (_, part) =>
    values.subarray(part * length, (part + 1) * length),
  )
}
