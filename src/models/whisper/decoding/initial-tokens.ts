import { EngineError } from '../../../speech/errors.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { DecodingOptions } from './decoding-options.ts'

type InitialOptions = Pick<
  DecodingOptions,
  'language' | 'task' | 'withoutTimestamps' | 'prompt' | 'prefix' | 'sampleLength'
>

/** Tokens to sample at most: half the context unless they are said. */
export function sampleLengthOf(nTextCtx: number, { sampleLength }: Pick<DecodingOptions, 'sampleLength'>): number {
  return sampleLength ?? Math.floor(nTextCtx / 2)
}

/**
 * What the decoder reads before it samples: the text so far, at most half the context of it, what asks for the task, and the prefix.
 * @throws EngineError `input.invalid` when the prefix fills the context
 */
export function initialTokensOf(tokenizer: Tokenizer, nTextCtx: number, options: InitialOptions): readonly number[] {
  const { language, task, withoutTimestamps, prompt, prefix } = options
  const half = Math.floor(nTextCtx / 2)
  const tokens = [
    ...(prompt.length === 0 ? [] : [tokenizer.sotPrev, ...prompt.slice(-(half - 1))]),
    ...tokenizer.sotSequence(language, task),
    ...(withoutTimestamps ? [tokenizer.noTimestamps] : []),
    // As in the reference, whose slice takes all of it when the samples may fill half the context.
    ...prefix.slice(-(half - sampleLengthOf(nTextCtx, options))),
  ]
  if (tokens.length < nTextCtx) return tokens
  throw new EngineError(
    'input.invalid',
    `input.prefix has ${prefix.length} tokens; with the prompt it may leave no room in the ${nTextCtx} of the model.`,
  )
}
