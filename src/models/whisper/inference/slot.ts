/** What the decoder says about the next tokens, for each of the k rows that were asked for, row-major, with the mask added. */
export interface Scores {
  /** [k, nVocab]; empty unless they were wanted. */
  readonly logits: Float32Array
  /** [k, nVocab − eot], from `<|endoftext|>` on. */
  readonly lastLogits: Float32Array
  /** The most probable text tokens, special ones included, the most probable first, [k, m]. */
  readonly topTokens: Int32Array
  readonly topLogits: Float32Array
  /** The log-probability of the first of them among the text tokens, [k]. */
  readonly topLogprob: Float32Array
}

export interface Alignment {
  /** [logitsAt.length, nVocab], row-major. */
  readonly logits: Float32Array
  /** Cross-attention of each alignment head before the softmax, [tokens, nAudioCtx], row-major. */
  readonly heads: readonly Float32Array[]
}

export interface ReadOptions {
  /** [nVocab], added to the logits: 0, or −∞ for tokens that are suppressed. */
  readonly mask?: Float32Array
  /** Text tokens that are wanted for each row, m; 1 unless it is said. */
  readonly top?: number
  /** Whether all logits are wanted: copying them takes a twentieth of a step. */
  readonly wantsLogits?: boolean
}

/** A place where one window at a time is encoded and decoded, in any number of sequences of equal length. */
export interface Slot extends Disposable {
  /** Tokens read so far, by each sequence. */
  readonly length: number
  /**
   * Takes a new window; there is one sequence, which has read nothing.
   * @param mel [nMels, 3000], row-major
   * @returns [nAudioCtx, nState], valid until the model encodes again
   */
  encode(mel: Float32Array): Promise<Float32Array>
  /** Begins anew over the same window. */
  restart(): void
  /** Goes on with other sequences: each takes over what its parent, by index, has read. */
  rearrange(parents: readonly number[]): void
  /**
   * Reads the next tokens.
   * @param tokens [sequences, t], row-major
   * @param logitsAt indices among the t tokens: the same of each sequence
   */
  read(tokens: readonly number[], logitsAt: readonly number[], options?: ReadOptions): Promise<Scores>
  /**
   * Reads a whole sequence at once, to see where in the audio it looks. The slot is to be restarted afterwards.
   * @param logitsAt indices among the tokens
   */
  align(tokens: readonly number[], logitsAt: readonly number[]): Promise<Alignment>
}
