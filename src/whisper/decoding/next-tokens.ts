import { maximum, logSumExp } from './log-softmax.ts'

const FORBIDDEN = Number.NEGATIVE_INFINITY

/** The most probable text tokens, the most probable first, and their log-probabilities among all text tokens. */
export interface TopText {
  readonly tokens: Int32Array
  readonly logprobs: Float32Array
}

export interface RankedTokens {
  /** The most probable first, the lower id among equals. */
  readonly tokens: readonly number[]
  /** Of each, in natural logarithms. */
  readonly logprobs: readonly number[]
}

/**
 * What may come next in one sequence. Rules leave two ranges open, one of text tokens (with the special ones) and one of timestamps;
 * only what is open is looked at, and where all text is, what the decoder's graph found there is taken.
 */
export class NextTokens {
  /** [nVocab]. */
  readonly logits: Float32Array
  readonly #timestampBegin: number
  #topText: TopText | undefined
  #textFrom = 0
  #timestampsFrom: number
  #timestampsTo: number

  /** @param topText of these logits; undefined: to be found */
  constructor(logits: Float32Array, timestampBegin: number, topText?: TopText) {
    this.logits = logits
    this.#timestampBegin = timestampBegin
    this.#timestampsFrom = timestampBegin
    this.#timestampsTo = logits.length
    this.#topText = topText
  }

  /** Forbids single tokens. */
  forbid(tokens: readonly number[]): void {
    for (const token of tokens) this.logits[token] = FORBIDDEN
    this.#topText = undefined
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
  }

  forbidTimestampsFrom(id: number): void {
    this.#timestampsTo = Math.min(this.#timestampsTo, id)
  }

  /** Whether all timestamps together are more probable than any single text token. */
  get prefersTimestamp(): boolean {
    return this.#timestampsLogSumExp() > this.#highestText()
  }

  /**
   * The `count` most probable tokens. Where fewer are open, forbidden ones with the log-probability −∞ fill up, as the reference's
   * `topk` does.
   */
  top(count: number): RankedTokens {
    const total = this.#logSumExp()
    const text = this.#isAllText(count) ? this.#topText!.tokens.subarray(0, count) : this.#rank(this.#openText, count)
    const timestamps = this.#rank(this.#openTimestamps, count)
    const tokens: number[] = []
    for (let ofText = 0, ofTimestamps = 0; tokens.length < count;) {
      const [one, other] = [text[ofText], timestamps[ofTimestamps]]
      if (one === undefined && other === undefined) break
      const takesText = other === undefined || (one !== undefined && this.logits[one]! >= this.logits[other]!)
      tokens.push(takesText ? one! : other)
      if (takesText) ofText += 1
      else ofTimestamps += 1
    }
    const logprobs = tokens.map((token) => this.logits[token]! - total)
    for (let token = 0; tokens.length < count && token < this.logits.length; token++) {
      if (tokens.includes(token)) continue
      tokens.push(token)
      logprobs.push(FORBIDDEN)
    }
    return { tokens, logprobs }
  }

  /** Of a token that is open. */
  logprob(token: number): number {
    return this.logits[token]! - this.#logSumExp()
  }

  /**
   * A token drawn from softmax(logits / temperature).
   * @param random in [0, 1)
   */
  sample(temperature: number, random: number): number {
    const ranges = [this.#openText, this.#openTimestamps]
    const highest = Math.max(...ranges.map(([from, to]) => maximum(this.logits, from, to)))
    const weightOf = (token: number): number => Math.exp((this.logits[token]! - highest) / temperature)
    let total = 0
    for (const [from, to] of ranges) for (let token = from; token < to; token++) total += weightOf(token)
    let rest = random * total
    let last = 0
    for (const [from, to] of ranges) {
      for (let token = from; token < to; token++) {
        const weight = weightOf(token)
        if (weight === 0) continue
        last = token
        rest -= weight
        if (rest < 0) return token
      }
    }
    return last
  }

  get #openText(): readonly [number, number] {
    return [this.#textFrom, this.#timestampBegin]
  }

  get #openTimestamps(): readonly [number, number] {
    return [this.#timestampsFrom, Math.max(this.#timestampsFrom, this.#timestampsTo)]
  }

  #isAllText(count: number): boolean {
    return this.#textFrom === 0 && this.#topText !== undefined && this.#topText.tokens.length >= count
  }

  #highestText(): number {
    return this.#isAllText(1) ? this.logits[this.#topText!.tokens[0]!]! : maximum(this.logits, ...this.#openText)
  }

  #textLogSumExp(): number {
    if (!this.#isAllText(1)) return logSumExp(this.logits, ...this.#openText)
    return this.logits[this.#topText!.tokens[0]!]! - this.#topText!.logprobs[0]!
  }

  #timestampsLogSumExp(): number {
    return logSumExp(this.logits, ...this.#openTimestamps)
  }

  #logSumExp(): number {
    const [text, timestamps] = [this.#textLogSumExp(), this.#timestampsLogSumExp()]
    const highest = Math.max(text, timestamps)
    if (highest === FORBIDDEN) return highest
    return highest + Math.log(Math.exp(text - highest) + Math.exp(timestamps - highest))
  }

  #rank([from, to]: readonly [number, number], count: number): readonly number[] {
    const top: number[] = []
    for (let token = from; token < to; token++) {
      const logit = this.logits[token]!
      if (logit === FORBIDDEN || (top.length === count && logit <= this.logits[top[count - 1]!]!)) continue
      let at = top.length
      while (at > 0 && this.logits[top[at - 1]!]! < logit) at -= 1
      top.splice(at, 0, token)
      if (top.length > count) top.pop()
    }
    return top
  }
}
