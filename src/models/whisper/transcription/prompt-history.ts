/** What prompts the next window: the reference's `all_tokens` and `prompt_reset_since`. */
export class PromptHistory {
  readonly #initial: readonly number[]
  readonly #tokens: number[]
  readonly #carriesInitial: boolean
  readonly #capacity: number
  #from = 0

  /**
   * @param initial tokens of the initial prompt
   * @param options.carriesInitial whether they come first in every prompt, not only while the history reaches back to them
   * @param options.capacity tokens that a prompt has at most: half the context without `<|startofprev|>`
   */
  constructor(initial: readonly number[], options: { readonly carriesInitial: boolean; readonly capacity: number }) {
    this.#initial = initial
    this.#tokens = [...initial]
    this.#carriesInitial = options.carriesInitial
    this.#capacity = options.capacity
  }

  /** All that was transcribed, without the initial prompt. */
  get transcribed(): readonly number[] {
    return this.#tokens.slice(this.#initial.length)
  }

  /** May be longer than the capacity: the decoding takes its end. */
  get prompt(): readonly number[] {
    if (!this.#carriesInitial) return this.#tokens.slice(this.#from)
    const rest = this.#tokens.slice(Math.max(this.#initial.length, this.#from))
    // With no room left, or less than none, the reference's slice keeps all but the first tokens, and so does this one.
    return [...this.#initial, ...rest.slice(-(this.#capacity - this.#initial.length))]
  }

  append(tokens: readonly number[]): void {
    this.#tokens.push(...tokens)
  }

  /** What is there so far prompts no more. */
  reset(): void {
    this.#from = this.#tokens.length
  }
}
