import { expect, test } from 'vitest'
import { qualityOf } from './quality.ts'

const GOOD = { avgLogprob: -0.2, noSpeechProb: 0.1, compressionRatio: 1.5 }

test.each([
  [{}, []],
  [{ compressionRatio: 2.5 }, ['repetition']],
  [{ compressionRatio: 2.4 }, []],
  [{ avgLogprob: -1.1 }, ['low-confidence']],
  [{ noSpeechProb: 0.7 }, ['maybe-silence']],
  [{ noSpeechProb: 0.7, avgLogprob: -2, compressionRatio: 9 }, ['repetition', 'low-confidence', 'maybe-silence']],
])('%j is flagged as %j', (numbers, flags) => {
  expect(qualityOf({ ...GOOD, ...numbers })).toEqual(flags)
})
