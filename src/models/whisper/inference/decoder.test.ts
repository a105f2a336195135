import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { goldenTensor } from '../../../../test/support/golden.ts'
import { PROJECT } from '../../../../test/support/server.ts'
import { WhisperModel } from '../model.ts'
import type { Slot } from './slot.ts'

let model: WhisperModel
beforeAll(async () => {
  model = await WhisperModel.load(join(PROJECT, 'models/whisper-demo'), { threads: 1, slots: 2 })
})
afterAll(() => model[Symbol.asyncDispose]())

/** Windows that differ: the recording, which has 320 frames, cut off after so many. */
function melOf(frames: number): Float32Array {
  return goldenTensor('en-short.mel.f32').map((value, index) => (index % 3000 < frames ? value : 0))
}

/** A short search over a window: what it reads, and the logits that come back, step by step. */
async function* search(slot: Slot, frames: number): AsyncGenerator<readonly number[], void, void> {
  await slot.encode(melOf(frames))
  yield [...(await slot.read([300, 301, 302], [2], { wantsLogits: true })).logits]
  slot.rearrange([0, 0, 0])
  for (let step = 0; step < 40; step++) {
    slot.rearrange([step % 3, (step + 1) % 3, 0])
    yield [...(await slot.read([step, 2 * step, 5 * step], [0], { wantsLogits: true })).logits]
  }
}

async function all(slot: Slot, frames: number): Promise<number[][]> {
  const found: number[][] = []
  for await (const logits of search(slot, frames)) found.push([...logits])
  return found
}

function expectSame(got: readonly (readonly number[])[], expected: readonly (readonly number[])[]): void {
  expect(got).toHaveLength(expected.length)
  for (const [step, row] of expected.entries()) {
    const worst = row.reduce((most, value, index) => Math.max(most, Math.abs(value - got[step]![index]!)), 0)
    expect(worst).toBeLessThan(1e-3)
  }
}

async function alone(frames: number): Promise<number[][]> {
  using slot = model.slot()
  return await all(slot, frames)
}

test('windows that are decoded together get what each gets alone', async () => {
  const lengths = [320, 200, 90]
  const expected = []
  for (const frames of lengths) expected.push(await alone(frames))
  const slots = lengths.map(() => model.slot())
  const together = await Promise.all(slots.map((slot, index) => all(slot, lengths[index]!)))
  for (const slot of slots) slot[Symbol.dispose]()
  for (const [index, found] of together.entries()) expectSame(found, expected[index]!)
})

test('a slot that is closed in the middle leaves the others as they are', async () => {
  const expected = await alone(200)
  const [first, second] = [model.slot(), model.slot()]
  const leaving = search(first, 320)
  await leaving.next()
  const staying = search(second, 200)
  const found: number[][] = []
  for (let step = 0; step < 5; step++) found.push([...((await staying.next()).value ?? [])])
  first[Symbol.dispose]()
  for await (const logits of staying) found.push([...logits])
  second[Symbol.dispose]()
  expectSame(found, expected)
})

test('a slot that is closed while another one encodes leaves it as it is', async () => {
  const expected = await alone(140)
  const [first, second] = [model.slot(), model.slot()]
  await first.encode(melOf(320))
  const staying = all(second, 140)
  first[Symbol.dispose]()
  expectSame(await staying, expected)
  second[Symbol.dispose]()
})

test('slots that are closed between two steps of a turn leave the others as they are', async () => {
  const expected = [await alone(320), await alone(200)]
  const leaving = [model.slot(), model.slot()]
  const staying = [model.slot(), model.slot()]
  for (const slot of leaving) await slot.encode(melOf(60))
  const searches = [search(staying[0]!, 320), search(staying[1]!, 200)]
  const found: number[][][] = [[], []]
  const step = async (): Promise<boolean> => {
    const results = await Promise.all(searches.map((one) => one.next()))
    for (const [index, { value }] of results.entries()) if (value) found[index]!.push([...value])
    return results.every(({ done }) => done === true)
  }
  for (let index = 0; index < 3; index++) await step()
  // Of another kind, so that the same turn takes two steps; they are closed as soon as the first one is done.
  const reads = leaving.map(async (slot) => {
    await slot.read([1, 2, 3, 4, 5], [4])
    slot[Symbol.dispose]()
  })
  while (!(await step()));
  await Promise.all(reads)
  for (const [index, steps] of found.entries()) expectSame(steps, expected[index]!)
  for (const slot of staying) slot[Symbol.dispose]()
})

test('a slot can be taken again, and no more than there are', () => {
  const taken = Array.from({ length: 4 }, () => model.slot())
  expect(() => model.slot()).toThrow('all 4 slots are taken')
  taken[1]?.[Symbol.dispose]()
  using again = model.slot()
  expect(again.length).toBe(0)
  for (const slot of [taken[0], taken[2], taken[3]]) slot?.[Symbol.dispose]()
})

test('more tokens than the context holds are refused', async () => {
  using slot = model.slot()
  await slot.encode(melOf(100))
  const { nTextCtx } = model.dimensions
  await expect(slot.read(Array<number>(nTextCtx + 1).fill(1), [0])).rejects.toThrow(`more than ${nTextCtx} tokens`)
})
