import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { PayloadStore } from '../../payloads/payload-store.ts'
import { Results } from './results.ts'

const TRANSCRIPT = JSON.stringify({ text: '', language: 'en', duration: 0, segments: [] })

/** A store that says how often it was read. */
function storeOf(...texts: readonly string[]) {
  let reads = 0
  const payloads = {
    read: () => Promise.resolve(Readable.from([Buffer.from(texts[reads++] ?? '')])),
  } as unknown as PayloadStore
  return { results: new Results(payloads), reads: () => reads }
}

describe('Results', () => {
  test('are read once for all that ask meanwhile and later', async () => {
    const { results, reads } = storeOf(TRANSCRIPT)
    const asked = await Promise.all(Array.from({ length: 20 }, async () => await results.json('results/a/1.json')))
    expect(new Set(asked)).toEqual(new Set([TRANSCRIPT]))
    expect(await results.json('results/a/1.json')).toBe(TRANSCRIPT)
    expect(reads()).toBe(1)
  })

  test.each(['', '{"text":', '{"text":""}', 'null'])(
    '%j is no transcript: an error, and it is read again',
    async (text) => {
      const { results, reads } = storeOf(text, TRANSCRIPT)
      await expect(results.json('results/a/1.json')).rejects.toThrow(/transcript|JSON/)
      expect(await results.json('results/a/1.json')).toBe(TRANSCRIPT)
      expect(reads()).toBe(2)
    },
  )
})
