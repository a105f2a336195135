import type { ProbedObject } from '../payloads/length-probe.ts'
import { BLOCK_BYTES, TAIL_BYTES } from './probe-protocol.ts'

/**
 * The object with its beginning and end prefetched, which is all that most headers need: the probe's process then does not wait for a store
 * that may be far away.
 * @throws what the store throws
 */
export async function withEnds(object: ProbedObject): Promise<ProbedObject> {
  const { bytes, readRange } = object
  const headEnd = bytes <= BLOCK_BYTES + TAIL_BYTES ? bytes : BLOCK_BYTES
  const tailStart = Math.max(headEnd, bytes - TAIL_BYTES)
  const [head, tail] = await Promise.all([
    headEnd === 0 ? new Uint8Array(0) : readRange(0, headEnd),
    tailStart === bytes ? new Uint8Array(0) : readRange(tailStart, bytes),
  ])
  return {
    ...object,
    readRange: async (start, end) => {
      if (end <= head.length) return head.subarray(start, end)
      if (start >= tailStart && end - tailStart <= tail.length) return tail.subarray(start - tailStart, end - tailStart)
      return await readRange(start, end)
    },
  }
}
