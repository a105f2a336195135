import { EngineError } from '../../../speech/errors.ts'
import { maximum, logSumExp } from './log-softmax.ts'

const FORBIDDEN = Number.NEGATIVE_INFINITY

/** What a decoder's graph has found among the text tokens, so that nobody needs to look at all of them. */
export interface TopText {
  /** The most probable first. */
  readonly tokens: Int32Array
  readonly logits: Float32Array
  /** Of the first one, among the text tokens. */
  readonly logprob: number
}

export interface RankedTokens {
  /** The most probable first, the lower id among equals. */
  readonly tokens: readonly number[]
  /** Of each, in natural logarithms. */
  readonly logprobs: readonly number[]
}

/**
 * What may come next in one sequence. Rules leave two ranges open, one of text tokens (with the special ones) and one of timestamps;
 * only what is open is looked at, and where all text is, what the decoder's graph has found there is taken.
 */
export class NextTokens {
  readonly #logits: Float32Array
  /** Id that the logits begin with. */
  readonly #first: number
  readonly #timestampBegin: number
  #topText: TopText | undefined
  #textFrom = 0
  #timestampsFrom: number
  #timestampsTo: number
  /** Of what is open; undefined while it is not known. */
  #timestampsTotal: number | undefined

  /**
   * @param logits of the ids from `first` on
   * @param options.topText what is below `first`, and is needed when that is not 0
   */
  constructor(
    logits: Float32Array,
    options: { readonly timestampBegin: number; readonly first?: number; readonly topText?: TopText },
  ) {
    const { timestampBegin, first = 0, topText } = options
    this.#logits = logits
    this.#first = first
    this.#timestampBegin = timestampBegin
    this.#timestampsFrom = timestampBegin
    this.#timestampsTo = first + logits.length
    this.#topText = topText
  }

  /** Forbids single tokens. */
  forbid(tokens: readonly number[]): void {
    for (const token of tokens) this.#logits[this.#index(token)] = FORBIDDEN
    this.#topText = undefined
    this.#timestampsTotal = undefined
  }

  /** Forbids the text tokens below this id. */
  forbidTextBelow(id: number): void {
    this.#textFrom = Math.max(this.#textFrom, id)
  }

  forbidText(): void {
    this.#textFrom = this.#timestampBegin
  }

  forbidTimestampsBelow(id: number): void {
    this.#timestampsFrom = Math.max(this.#timestampsFrom, id)
    this.#timestampsTotal = undefined
  }

  forbidTimestampsFrom(id: number): void {
    this.#timestampsTo = Math.min(this.#timestampsTo, id)
    this.#timestampsTotal = undefined
  }

  /** Whether all timestamps together are more probable than any single text token. */
  get prefersTimestamp(): boolean {
    return this.#timestampsLogSumExp() > this.#highestText()
  }

  /**
   * The `count` most probable tokens. Where fewer are open, forbidden ones with the log-probability −∞ fill up, as the reference's
   * `topk` does.
   * @throws EngineError as `logprob`
   */
  top(count: number): RankedTokens {
    const total = this.#logSumExp()
    const text = this.#topTextOf(count) ?? this.#rank(this.#openText, count)
    const timestamps = this.#rank(this.#openTimestamps, count)
    const tokens: number[] = []
    const logprobs: number[] = []
    const take = (token: number, logit: number): void => {
      tokens.push(token)
      logprobs.push(logit - total)
    }
    for (let ofText = 0, ofTimestamps = 0; tokens.length < count;) {
      const [one, other] = [text.logits[ofText], timestamps.logits[ofTimestamps]]
      if (one !== undefined && (other === undefined || one >= other)) take(text.tokens[ofText++]!, one)
      else if (other !== undefined) take(timestamps.tokens[ofTimestamps++]!, other)
      else break
    }
    for (let token = 0; tokens.length < count && token < this.#end; token++) {
      if (!tokens.includes(token)) take(token, FORBIDDEN)
    }
    return { tokens, logprobs }
  }

  /**
   * Of a token that is open.
   * @throws EngineError `input.invalid` where none is, with which the reference goes on to text of no meaning; `checkpoint.damaged`
   *   where the logits are no numbers
   */
  logprob(token: number): number {
    return this.#logits[this.#index(token)]! - this.#logSumExp()
  }

  /**
   * A token drawn from softmax(logits / temperature).
   * @param random in [0, 1)
   */
  sample(temperature: number, random: number): number {
    const ranges = [this.#openText, this.#openTimestamps].map((range) => this.#indices(range))
    const highest = Math.max(...ranges.map(([from, to]) => maximum(this.#logits, from, to)))
    const weightOf = (index: number): number => Math.exp((this.#logits[index]! - highest) / temperature)
    let total = 0
    for (const [from, to] of ranges) for (let index = from; index < to; index++) total += weightOf(index)
    let rest = random * total
    let last = 0
    for (const [from, to] of ranges) {
      for (let index = from; index < to; index++) {
        const weight = weightOf(index)
        if (weight === 0) continue
        last = index
        rest -= weight
        if (rest < 0) return this.#first + index
      }
    }
    return this.#first + last
  }

  get #end(): number {
    return this.#first + this.#logits.length
  }

  get #openText(): Range {
    return [this.#textFrom, this.#timestampBegin]
  }

  get #openTimestamps(): Range {
    return [this.#timestampsFrom, Math.max(this.#timestampsFrom, this.#timestampsTo)]
  }

  #index(token: number): number {
    if (token < this.#first) throw new RangeError(`the logit of token ${token} is not there`)
    return token - this.#first
  }

  #indices([from, to]: Range): Range {
    return [this.#index(from), this.#index(to)]
  }

  /** Undefined where not all text is open, or too little is known. */
  #topTextOf(count: number): TopText | undefined {
    const top = this.#topText
    return this.#textFrom === 0 && top !== undefined && top.tokens.length >= count ? top : undefined
  }

  #highestText(): number {
    return this.#topTextOf(1)?.logits[0] ?? maximum(this.#logits, ...this.#indices(this.#openText))
  }

  #textLogSumExp(): number {
    const top = this.#topTextOf(1)
    return top === undefined ? logSumExp(this.#logits, ...this.#indices(this.#openText)) : top.logits[0]! - top.logprob
  }

  #timestampsLogSumExp(): number {
    this.#timestampsTotal ??= logSumExp(this.#logits, ...this.#indices(this.#openTimestamps))
    return this.#timestampsTotal
  }

  #logSumExp(): number {
    const [text, timestamps] = [this.#textLogSumExp(), this.#timestampsLogSumExp()]
    const highest = Math.max(text, timestamps)
    if (highest === FORBIDDEN) throw nothingOpen()
    return requireNumber(highest + Math.log(Math.exp(text - highest) + Math.exp(timestamps - highest)))
  }

  #rank(range: Range, count: number): { readonly tokens: readonly number[]; readonly logits: readonly number[] } {
    const tokens: number[] = []
    const logits: number[] = []
    const [from, to] = this.#indices(range)
    for (let index = from; index < to; index++) {
      const logit = this.#logits[index]!
      if (logit === FORBIDDEN || (tokens.length === count && logit <= logits[count - 1]!)) continue
      let at = tokens.length
      while (at > 0 && logits[at - 1]! < logit) at -= 1
      tokens.splice(at, 0, this.#first + index)
      logits.splice(at, 0, logit)
      if (tokens.length > count) {
        tokens.pop()
        logits.pop()
      }
    }
    return { tokens, logits }
  }
}

/** Not by the rules of timestamps alone: they leave the end of the text where they leave nothing else. */
function nothingOpen(): EngineError {
  return new EngineError(
    'input.invalid',
    'input.suppress_tokens leaves no token that could come next. Leave out those of the timestamps or of the end of the text.',
  )
}

/**
 * What is computed of logits, if it is a number.
 * @throws EngineError `checkpoint.damaged`
 */
export function requireNumber(value: number): number {
  if (Number.isFinite(value)) return value
  throw new EngineError(
    'checkpoint.damaged',
    'The model’s answers are no numbers: its weights are damaged, or beyond the range of the precision that they are kept in.',
  )
}

/** Ids or indices, from the first one to the one behind the last. */
type Range = readonly [from: number, to: number]
