import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { PayloadStore } from '../../payloads/payload-store.ts'
import { WHOLE_SEGMENTS } from '../../transcript/subtitle-options.ts'
import { Results } from './results.ts'
import { TranscriptTasks } from './transcript-tasks.ts'

const TRANSCRIPT = JSON.stringify({ text: '', language: 'en', duration: 0, segments: [] })

/** A store that says how often it was read. */
function storeOf(texts: readonly string[], tasks?: TranscriptTasks) {
  let reads = 0
  const payloads = {
    read: () => Promise.resolve(Readable.from([Buffer.from(texts[reads++] ?? '')])),
  } as unknown as PayloadStore
  return { results: new Results(payloads, tasks), reads: () => reads }
}

describe('Results', () => {
  test('are read once for all that ask meanwhile and later', async () => {
    const { results, reads } = storeOf([TRANSCRIPT])
    const asked = await Promise.all(Array.from({ length: 20 }, async () => await results.json('results/a/1.json')))
    expect(new Set(asked)).toEqual(new Set([TRANSCRIPT]))
    expect(await results.json('results/a/1.json')).toBe(TRANSCRIPT)
    expect(reads()).toBe(1)
  })

  test.each(['', '{"text":', '{"text":""}', 'null'])(
    '%j is no transcript: an error, and it is read again',
    async (text) => {
      const { results, reads } = storeOf([text, TRANSCRIPT])
      await expect(results.json('results/a/1.json')).rejects.toThrow(/transcript|JSON/)
      expect(await results.json('results/a/1.json')).toBe(TRANSCRIPT)
      expect(reads()).toBe(2)
    },
  )
})

describe('what is made of results', () => {
  const LONG = JSON.stringify({
    ...{ text: ' one two', duration: 2 },
    segments: [0, 1].map((id) => ({ id, start: id, end: id + 1, text: ` ${id}`, tokens: [1, 2, 3] })),
  })
  const srt = { format: 'srt', subtitles: WHOLE_SEGMENTS, leftOut: [] } as const

  /** How many threads were started meanwhile. */
  async function threadsOf(work: () => Promise<void>): Promise<number> {
    let threads = 0
    const count = (): void => void (threads += 1)
    subscribe('worker_threads', count)
    try {
      await work()
    } finally {
      unsubscribe('worker_threads', count)
    }
    return threads
  }

  test.each([
    ['here', undefined, 0],
    ['in threads of their own where they are large', new TranscriptTasks(10), 4],
  ])('is made %s, once for all that ask', async (_, tasks, expected) => {
    const threads = await threadsOf(async () => {
      const { results, reads } = storeOf([LONG], tasks)
      const asked = await Promise.all(
        Array.from({ length: 10 }, () => [
          results.get('results/a/1.json', srt),
          results.get('results/a/1.json', { ...srt, format: 'json', leftOut: ['tokens'] }),
        ]).flat(),
      )
      expect(new Set(asked).size).toBe(2)
      expect(asked[0]).toBe('1\n00:00:00,000 --> 00:00:01,000\n0\n\n2\n00:00:01,000 --> 00:00:02,000\n1\n\n')
      expect(asked[1]).toBe(LONG.replaceAll(',"tokens":[1,2,3]', ''))
      const cut = { ...srt, subtitles: { ...WHOLE_SEGMENTS, max_line_width: 9 } }
      const refusal = { status: 400, message: expect.stringContaining('max_line_width needs the times of words') }
      await expect(results.get('results/a/1.json', cut)).rejects.toMatchObject(refusal)
      expect(reads()).toBe(1)
    })
    expect(threads).toBe(expected)
  })

  test.each(['{"text":', '{"text":"and more"}'])('%j is no transcript in a thread either', async (text) => {
    const { results } = storeOf([text], new TranscriptTasks(1))
    await expect(results.get('results/a/1.json', srt)).rejects.toThrow(/transcript|JSON/)
  })
})
