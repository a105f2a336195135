import { describe, expect, test } from 'vitest'
import type { FrameBlock } from './frame-blocks.ts'
import { LogMel } from './log-mel.ts'
import { SharedLogMel } from './shared-log-mel.ts'

const blocks: readonly FrameBlock[] = Array.from({ length: 40 }, (_, index) => ({
  firstFrame: 20 * index,
  frames: 20,
  samples: Int16Array.from({ length: 19 * 160 + 400 }, (_sample, n) => 9000 * Math.sin((n * (index + 1)) / 50)),
}))

describe('the log-mel of blocks that two threads share', () => {
  test('is that of one, whoever computed it', async () => {
    await using shared = new SharedLogMel(80)
    const alone = new LogMel(80)
    const computed = await Promise.all(blocks.map((block) => shared.compute(block)))
    expect(computed).toEqual(blocks.map(({ samples, frames }) => alone.compute(samples, frames)))
  })

  test('is computed here when the other thread has ended', async () => {
    const shared = new SharedLogMel(80)
    const computing = Promise.all(blocks.map((block) => shared.compute(block)))
    await shared[Symbol.asyncDispose]()
    expect(await computing).toHaveLength(blocks.length)
    expect(await shared.compute(blocks[0]!)).toMatchObject({ maximum: expect.any(Number) })
  })
})
