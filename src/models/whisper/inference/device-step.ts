import { Tensor } from 'onnxruntime-node'
import type { InferenceSession } from 'onnxruntime-node'
import type { Dimensions } from '../weights/whisper-weights.ts'
import { ALIGNMENT_PREFIX } from '../graph/decoder-graph.ts'
import type { SpecialTokens } from '../graph/decoder-graph.ts'
import type { Ranking } from '../graph/rank-text.ts'
import type { DeviceCaches } from './device-caches.ts'
import { int32, int64, rowFeeds } from './device-feeds.ts'
import type { Feeds, PlacedReading } from './device-feeds.ts'
import type { StepOutputs } from './reading.ts'
import { TextMasks } from './text-masks.ts'

/** What every step gives. */
const OUTPUTS = ['last_logits', 'part_tokens', 'top_at', 'top_logits', 'top_logprob'] as const
const NONE = new Float32Array(0)

/** One run of the decoder's graph, for whatever any slots read. */
export class DeviceStep implements AsyncDisposable {
  readonly #session: InferenceSession
  readonly #dimensions: Dimensions
  readonly #ranking: Ranking
  readonly #masks: TextMasks
  readonly #eot: number
  readonly #alignmentNames: readonly string[]

  constructor(session: InferenceSession, dimensions: Dimensions, ranking: Ranking, special: SpecialTokens) {
    this.#session = session
    this.#dimensions = dimensions
    this.#ranking = ranking
    this.#masks = new TextMasks(dimensions.nVocab, special.timestampBegin)
    this.#eot = special.eot
    this.#alignmentNames = session.outputNames.filter((name) => name.startsWith(ALIGNMENT_PREFIX))
  }

  /** @param batch of one reading at least, each of another slot */
  async run(batch: readonly PlacedReading[], caches: DeviceCaches): Promise<readonly StepOutputs[]> {
    const { nTextHead: heads, nState } = this.#dimensions
    const w = 1 + Math.max(...batch.map(({ slot }) => slot.index))
    const n = Math.max(...batch.map(({ tokens }) => tokens.length))
    const wanted = batch.reduce((sum, { logitsAt }) => sum + logitsAt.length, 0)
    const top = Math.min(this.#ranking.width, Math.max(...batch.map((reading) => reading.top)))
    const aligned = batch.filter(({ isAlignment }) => isAlignment)
    const ofSlots = caches.ofFirst(w)

    const feeds = {
      ...ofSlots.feeds,
      ...rowFeeds(batch, { slots: w, places: n, cells: caches.cells, heads, headWidth: nState / heads }),
      ...this.#wantedOf(batch, wanted, top),
      align_at: int32(aligned.length === 0 ? [0] : aligned.map(({ slot }) => slot.index)),
    }
    const outputs = await this.#session.run(feeds, {
      ...ofSlots.fetches,
      ...Object.fromEntries(OUTPUTS.map((name) => [name, null])),
      ...(batch.some(({ wantsLogits }) => wantsLogits) ? { logits: null } : {}),
      ...(aligned.length > 0 ? Object.fromEntries(this.#alignmentNames.map((name) => [name, null])) : {}),
    })
    for (const name of Object.keys(ofSlots.fetches)) outputs[name]?.dispose()

    return this.#answers(outputs, batch, wanted, top)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.release()
  }

  /** Which logits are wanted, and how they are ranked. */
  #wantedOf(batch: readonly PlacedReading[], wanted: number, top: number): Feeds {
    const { nVocab } = this.#dimensions
    const kinds = [...new Set(batch.map(({ mask }) => mask))]
    const masks = new Float32Array(kinds.length * nVocab)
    for (const [index, mask] of kinds.entries()) masks.set(this.#masks.ofText(mask), index * nVocab)
    const logitsAt: number[] = []
    let firstRow = 0
    for (const reading of batch) {
      for (const at of reading.logitsAt) logitsAt.push(firstRow + at)
      firstRow += reading.tokens.length
    }
    return {
      logits_at: int32(logitsAt),
      mask_tokens: new Tensor('float32', masks, [kinds.length, nVocab]),
      mask_at: int32(batch.flatMap(({ logitsAt: at, mask }) => at.map(() => kinds.indexOf(mask)))),
      top: int64([top]),
      top_shape: int64([wanted, this.#ranking.parts * top]),
    }
  }

  #answers(
    outputs: InferenceSession.ReturnType,
    batch: readonly PlacedReading[],
    wanted: number,
    top: number,
  ): readonly StepOutputs[] {
    const n = Math.max(...batch.map(({ tokens }) => tokens.length))
    const topTokens = this.#topTokens(outputs, wanted, top)
    let from = 0
    let aligned = 0
    return batch.map(({ logitsAt, tokens, mask, wantsLogits, isAlignment }) => {
      const first = from
      from += logitsAt.length
      const part = <Values extends Float32Array | Int32Array>(values: Values): Values => {
        const length = values.length / wanted
        return values.subarray(first * length, from * length) as Values
      }
      const partOf = (name: string): Float32Array => part(floats(outputs[name]))
      const answer = {
        logits: wantsLogits ? partOf('logits') : NONE,
        lastLogits: partOf('last_logits'),
        topTokens: part(topTokens),
        topLogits: partOf('top_logits'),
        topLogprob: partOf('top_logprob'),
        heads: isAlignment ? this.#headsOf(outputs, aligned++, n, tokens.length) : [],
      }
      this.#masks.apply(answer.logits, mask)
      this.#masks.apply(answer.lastLogits, mask, this.#eot)
      this.#masks.applyToRanked(answer.topLogits)
      return answer
    })
  }

  #topTokens(outputs: Readonly<Record<string, { readonly data: unknown }>>, wanted: number, top: number): Int32Array {
    const { width, parts } = this.#ranking
    const [ofParts, at] = [integers(outputs['part_tokens']), integers(outputs['top_at'])]
    return Int32Array.from({ length: wanted * top }, (_, index) => {
      const found = at[index]!
      const row = Math.floor(index / top)
      return Math.floor(found / top) * width + ofParts[row * parts * top + found]!
    })
  }

  /** The scores of each alignment head, [tokens, nAudioCtx], of the window at this place among those that are aligned. */
  #headsOf(
    outputs: Readonly<Record<string, { readonly data: unknown }>>,
    place: number,
    n: number,
    tokens: number,
  ): readonly Float32Array[] {
    const { nAudioCtx } = this.#dimensions
    return this.#alignmentNames.flatMap((name) => {
      const scores = floats(outputs[name])
      const [, heads = 0] = (outputs[name] as Tensor).dims
      return Array.from({ length: heads }, (_, head) => {
        const from = (place * heads + head) * n * nAudioCtx
        return scores.subarray(from, from + tokens * nAudioCtx)
      })
    })
  }
}

function floats(tensor: { readonly data: unknown } | undefined): Float32Array {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError('the session returned no float32 tensor')
  return tensor.data
}

function integers(tensor: { readonly data: unknown } | undefined): Int32Array {
  if (!(tensor?.data instanceof Int32Array)) throw new TypeError('the session returned no int32 tensor')
  return tensor.data
}
