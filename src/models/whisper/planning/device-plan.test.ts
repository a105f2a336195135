import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LAYOUTS, writeRandomModel } from '../../../../test/support/random-model.ts'
import { CPU } from '../../../contract/device.ts'
import type { Device } from '../../../contract/device.ts'
import { planDevice } from './device-plan.ts'
import { MAX_SLOTS } from '../../../contract/device.ts'

const HALF: Device = { name: 'webgpu', floats: 'F16', hasFusedAttention: true }
const GIB = 2 ** 30

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-memory-'))
  await writeRandomModel(folder, LAYOUTS.tiny, { type: 'F16' })
})
afterAll(() => rm(folder, { recursive: true }))

const plan = (device: Device, memoryBytes: number, precision: 'auto' | 'f32' = 'auto') =>
  planDevice(folder, { device, precision, memoryBytes })

test('the more memory, the more windows, within it and up to a limit', async () => {
  const plans = await Promise.all([0.25, 0.5, 1, 64].map((size) => plan(HALF, size * GIB)))
  const slots = plans.map((one) => one.slots)
  expect(slots).toEqual(slots.toSorted((one, other) => one - other))
  expect(new Set(slots).size).toBeGreaterThan(2)
  expect(slots.at(-1)).toBe(MAX_SLOTS)
  for (const [index, size] of [0.25, 0.5, 1, 64].entries()) expect(plans[index]?.bytes).toBeLessThan(size * GIB)
})

test('numbers of half the size leave room for twice as many windows and more', async () => {
  const [half, single] = [await plan(HALF, GIB / 2), await plan(HALF, GIB / 2, 'f32')]
  expect(half.slots).toBeGreaterThan(1.5 * single.slots)
  expect(single).toEqual(await plan({ ...CPU, name: 'webgpu' }, GIB / 2))
})

test('one window is tried in any case', async () => {
  expect(await plan(HALF, 1)).toMatchObject({ slots: 1 })
})
