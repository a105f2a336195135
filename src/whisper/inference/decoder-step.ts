import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../checkpoint/checkpoint.ts'
import { ALIGNMENT_PREFIX } from '../graph/decoder.ts'
import type { Caches } from './caches.ts'
import { maskOfRows } from './cells.ts'
import type { DecoderSlot } from './decoder-slot.ts'
import type { Scores } from './slot.ts'

/** What a slot wants to read next. */
export interface Reading {
  readonly slot: DecoderSlot
  readonly sequences: number
  /** [sequences, t], row-major: a row each. */
  readonly tokens: readonly number[]
  /** Indices among the rows. */
  readonly logitsAt: readonly number[]
  readonly mask: Float32Array | undefined
  readonly top: number
  /** Whether it wants the alignment heads' scores. */
  readonly isAlignment: boolean
  readonly resolve: (outputs: StepOutputs) => void
  readonly reject: (error: unknown) => void
}

/** What a slot gets, parts of arrays that the next step writes to again. */
export interface StepOutputs extends Scores {
  /** Of its rows, by layer, [rows, nState]. */
  readonly keys: readonly Float32Array[]
  readonly values: readonly Float32Array[]
  readonly heads: readonly Float32Array[]
}

type Feeds = Record<string, Tensor>

/** One run of the decoder's graph, for the readings of slots that follow each other. */
export class DecoderStep {
  readonly #session: InferenceSession
  readonly #dimensions: Dimensions
  readonly #caches: Caches
  readonly #noMask: Float32Array
  readonly #alignmentNames: readonly string[]
  #logits = new Float32Array(0)
  #rows: Float32Array[] = []

  constructor(session: InferenceSession, dimensions: Dimensions, caches: Caches) {
    this.#session = session
    this.#dimensions = dimensions
    this.#caches = caches
    this.#noMask = new Float32Array(dimensions.nVocab)
    this.#alignmentNames = session.outputNames.filter((name) => name.startsWith(ALIGNMENT_PREFIX))
  }

  /** @param batch of one kind: equal numbers of sequences and tokens, the same mask */
  async run(batch: readonly Reading[]): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    const n = first.tokens.length
    const feeds = { ...this.#feedsOf(batch, first), ...this.#cachesOf(first.slot.index, batch.length) }
    const wanted = batch.flatMap(({ logitsAt }, index) => logitsAt.map((at) => index * n + at))
    const top = Math.max(...batch.map((reading) => reading.top))
    feeds['logits_at'] = new Tensor('int32', Int32Array.from(wanted), [wanted.length])
    feeds['top'] = integers([top])

    const rows = batch.length * n
    const fetches = this.#fetchesOf(rows, wanted.length, first.isAlignment)
    const outputs = await this.#session.run(feeds, fetches)
    let firstWanted = 0
    for (const [index, reading] of batch.entries()) {
      const count = reading.logitsAt.length
      const part = (name: string, length: number): Float32Array =>
        floats(outputs[name]).subarray(firstWanted * length, (firstWanted + count) * length)
      const { nState, nVocab, nTextLayer, nAudioCtx } = this.#dimensions
      const rowsOf = (kind: number): readonly Float32Array[] =>
        Array.from({ length: nTextLayer }, (_, layer) =>
          this.#rows[2 * layer + kind]!.subarray(index * n * nState, (index + 1) * n * nState),
        )
      const topTokens = outputs['top_tokens']?.data
      if (!(topTokens instanceof Int32Array)) throw new TypeError('the session returned no int32 tensor')
      reading.resolve({
        logits: part('logits', nVocab),
        topTokens: topTokens.subarray(firstWanted * top, (firstWanted + count) * top),
        topLogprobs: part('top_logprobs', top),
        keys: rowsOf(0),
        values: rowsOf(1),
        heads: reading.isAlignment
          ? this.#alignmentNames.flatMap((name) => split(floats(outputs[name]), n * nAudioCtx))
          : [],
      })
      firstWanted += count
    }
  }

  #feedsOf(batch: readonly Reading[], { sequences, tokens, mask }: Reading): Feeds {
    const { cells, heads, headWidth } = this.#caches
    const w = batch.length
    const n = tokens.length
    const t = n / sequences
    const maskCells = new Float32Array(w * n * cells)
    for (const [index, { slot }] of batch.entries()) {
      for (let row = 0; row < n; row++) {
        maskCells.set(slot.cells.maskOf(Math.floor(row / t)), (index * n + row) * cells)
      }
    }
    const positions = batch.flatMap(({ slot }) => tokens.map((_, row) => slot.length + (row % t)))
    const { nVocab } = this.#dimensions
    return {
      tokens: new Tensor('int32', Int32Array.from(batch.flatMap((reading) => reading.tokens)), [w * n]),
      positions: new Tensor('int32', Int32Array.from(positions), [w * n]),
      shape: integers([w, n, heads, headWidth]),
      cells_and_rows: integers([cells, n]),
      mask_cells: new Tensor('float32', maskCells, [w, 1, n, cells]),
      mask_rows: new Tensor('float32', maskOfRows(sequences, t), [1, 1, n, n]),
      mask_tokens: new Tensor('float32', mask ?? this.#noMask, [1, nVocab]),
    }
  }

  #cachesOf(firstSlot: number, count: number): Feeds {
    const { nAudioCtx, nState } = this.#dimensions
    const { cells, heads, headWidth, layers } = this.#caches
    const view = (cache: Float32Array, length: number, shape: readonly number[]): Tensor => {
      const perSlot = length * nState
      return new Tensor('float32', cache.subarray(firstSlot * perSlot, (firstSlot + count) * perSlot), [
        count,
        heads,
        ...shape,
      ])
    }
    const feeds: Feeds = {}
    for (const [layer, { pastKey, pastValue, crossKey, crossValue }] of layers.entries()) {
      feeds[`past_key_${layer}`] = view(pastKey, cells, [cells, headWidth])
      feeds[`past_value_${layer}`] = view(pastValue, cells, [cells, headWidth])
      feeds[`cross_key_${layer}`] = view(crossKey, nAudioCtx, [headWidth, nAudioCtx])
      feeds[`cross_value_${layer}`] = view(crossValue, nAudioCtx, [nAudioCtx, headWidth])
    }
    return feeds
  }

  /** Outputs whose size is known are written into arrays that stay. */
  #fetchesOf(rows: number, wanted: number, isAlignment: boolean): Record<string, Tensor | null> {
    const { nState, nTextLayer, nVocab } = this.#dimensions
    if (this.#logits.length < wanted * nVocab) this.#logits = new Float32Array(wanted * nVocab)
    if ((this.#rows[0]?.length ?? 0) < rows * nState) {
      this.#rows = Array.from({ length: 2 * nTextLayer }, () => new Float32Array(rows * nState))
    }
    const fetches: Record<string, Tensor | null> = { top_tokens: null, top_logprobs: null }
    fetches['logits'] = new Tensor('float32', this.#logits.subarray(0, wanted * nVocab), [wanted, nVocab])
    for (let layer = 0; layer < nTextLayer; layer++) {
      const [key, value] = [this.#rows[2 * layer]!, this.#rows[2 * layer + 1]!]
      fetches[`key_${layer}`] = new Tensor('float32', key.subarray(0, rows * nState), [rows, nState])
      fetches[`value_${layer}`] = new Tensor('float32', value.subarray(0, rows * nState), [rows, nState])
    }
    if (isAlignment) for (const name of this.#alignmentNames) fetches[name] = null
    return fetches
  }
}

function integers(values: readonly number[]): Tensor {
  return new Tensor('int64', BigInt64Array.from(values, BigInt), [values.length])
}

function floats(tensor: { readonly data: unknown } | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError('the session returned no float32 tensor')
  return tensor.data
}

/** Consecutive parts of equal length. */
function split(values: Float32Array, length: number): readonly Float32Array[] {
  return Array.from({ length: values.length / length }, (_, part) =>
    values.subarray(part * length, (part + 1) * length),
  )
}
