import fc from 'fast-check'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROJECT } from '../../../../test/support/server.ts'
import { Tokenizer } from '../tokenizer/tokenizer.ts'
import { ApplyTimestampRules, SuppressBlank } from './logit-filters.ts'
import type { LogitFilter } from './logit-filters.ts'
import { NextTokens } from './next-tokens.ts'
import { suppressedTokens } from './suppressed-tokens.ts'

const tokenizer = await Tokenizer.load(join(PROJECT, 'models/whisper-demo'), { isMultilingual: true })
const { eot, timestampBegin, noTimestamps } = tokenizer
/** Of the 1,501 as many as show all that there is to see: what follows sorts all that is open. */
const TIMESTAMPS = 101
const VOCABULARY = timestampBegin + TIMESTAMPS
const FORBIDDEN = Number.NEGATIVE_INFINITY

/** Whether a token may come next, rule by rule, from the sequence alone. */
function mayFollow(token: number, sampled: readonly number[], maxInitialIndex: number | null): boolean {
  const isTimestamp = (id: number): boolean => id >= timestampBegin
  const timestamps = sampled.filter(isTimestamp)
  const [last, penultimate] = [sampled.at(-1), sampled.at(-2)]
  if (token === noTimestamps) return false
  if (last === undefined) {
    return isTimestamp(token) && (maxInitialIndex === null || token - timestampBegin <= maxInitialIndex)
  }
  const endsInTimestamp = isTimestamp(last)
  const endsInPair = endsInTimestamp && (penultimate === undefined || isTimestamp(penultimate))
  if (endsInPair && isTimestamp(token)) return false
  if (endsInTimestamp && !endsInPair && token < eot) return false
  const latest = timestamps.at(-1)
  if (!isTimestamp(token) || latest === undefined) return true
  return endsInTimestamp && !endsInPair ? token >= latest : token > latest
}

function slowTimestampRules(
  logits: Float32Array,
  sampled: readonly number[],
  maxInitialIndex: number | null,
): number[] {
  const kept = [...logits].map((logit, token) => (mayFollow(token, sampled, maxInitialIndex) ? logit : FORBIDDEN))
  const ofTimestamps = Math.log(kept.slice(timestampBegin).reduce((sum, logit) => sum + Math.exp(logit), 0))
  const bestText = Math.max(...kept.slice(0, timestampBegin))
  return ofTimestamps > bestText ? kept.map((logit, token) => (token < timestampBegin ? FORBIDDEN : logit)) : kept
}

const textToken = fc.integer({ min: 0, max: eot - 1 })
const timestamp = fc.integer({ min: timestampBegin, max: VOCABULARY - 1 })
const sequence = fc.array(fc.oneof(textToken, timestamp), { maxLength: 8 })
/** Logits by a seed, with text or timestamps favoured. */
const logitsOf = fc
  .tuple(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: -8, max: 8 }))
  .map(([seed, favour]) =>
    Float32Array.from(
      { length: VOCABULARY },
      (_, token) => 3 * Math.sin(seed * (token + 1)) + (token < eot ? favour : 0),
    ),
  )

/** Logits as the filter leaves them, less what all of them have in common. */
function filtered(filter: LogitFilter, logits: Float32Array, sampled: readonly number[]): number[] {
  const next = new NextTokens(logits.slice(), { timestampBegin })
  filter.apply(next, sampled)
  const { tokens, logprobs } = next.top(VOCABULARY)
  const left = Array<number>(VOCABULARY)
  for (const [index, token] of tokens.entries())
    left[token] = logprobs[index] === FORBIDDEN ? FORBIDDEN : logits[token]!
  return left
}

test('the timestamp rules forbid what each rule forbids, for any sequence', () => {
  const limit = fc.option(fc.integer({ min: 0, max: TIMESTAMPS - 1 }))
  fc.assert(
    fc.property(logitsOf, sequence, limit, (logits, sampled, maxInitialIndex) => {
      const filter = new ApplyTimestampRules(tokenizer, maxInitialIndex)
      const suppressed = logits.slice()
      suppressed[noTimestamps] = FORBIDDEN
      expect(filtered(filter, suppressed, sampled)).toEqual(slowTimestampRules(logits, sampled, maxInitialIndex))
    }),
    { numRuns: 300 },
  )
})

test('blanks are forbidden first and allowed afterwards', () => {
  const filter = new SuppressBlank(tokenizer)
  const logits = new Float32Array(VOCABULARY)
  const forbidden = filtered(filter, logits, []).flatMap((logit, token) => (logit === FORBIDDEN ? [token] : []))
  expect(forbidden).toEqual([220, eot])
  fc.assert(
    fc.property(sequence, (sampled) => {
      fc.pre(sampled.length > 0)
      expect(filtered(filter, logits, sampled)).toEqual([...logits])
    }),
  )
})

test('suppressed tokens are those of the list, its non-speech symbols and the special ones, and no others', () => {
  const { transcribe, translate, sot, sotPrev, sotLm, noSpeech } = tokenizer
  const special = [transcribe, translate, sot, sotPrev, sotLm, noSpeech]
  fc.assert(
    fc.property(fc.array(fc.oneof(textToken, fc.constant(-1)), { minLength: 1, maxLength: 6 }), (list) => {
      const expected = new Set([...list, ...special, ...(list.includes(-1) ? tokenizer.nonSpeechTokens : [])])
      expected.delete(-1)
      expect(new Set(suppressedTokens(tokenizer, list))).toEqual(expected)
    }),
  )
  expect(suppressedTokens(tokenizer, [])).toBeUndefined()
})
