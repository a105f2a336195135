import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NEEDS_SOFTWARE_GPU, SOFTWARE_GPU, hasSoftwareGpu } from '../../../../test/support/software-gpu.ts'
import type { Findings } from '../../../../test/support/device-model.child.ts'

const CHILD = join(import.meta.dirname, '../../../../test/support/device-model.child.ts')

describe.skipIf(!hasSoftwareGpu)(`on WebGPU in software, as on the CPU${NEEDS_SOFTWARE_GPU}`, () => {
  let folder: string
  let found: Findings
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sotto-device-'))
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', CHILD, folder], {
      env: { ...process.env, ...SOFTWARE_GPU },
    })
    found = JSON.parse(stdout) as Findings
  }, 300_000)
  afterAll(() => rm(folder, { recursive: true }))

  test('the device is tried before it is trusted', () => {
    expect(found.device).toEqual({ name: 'webgpu', floats: 'F32', hasFusedAttention: false })
  })

  test('auto takes no device that is slower than the CPU', () => {
    expect(found.auto).toMatchObject({ name: 'cpu' })
  })

  test('the encoder', () => {
    expect(found.encoder).toBeLessThan(1e-4)
  })

  test('two windows at once, one greedy and one with five beams', () => {
    expect(found.texts).toEqual(Array(2).fill("The meeting starts at 10 o'clock in the afternoon."))
    expect(found.areTokensEqual).toBe(true)
    expect(found.logprob).toBeLessThan(1e-4)
  })

  test('the alignment of words', () => {
    expect(found.alignment).toBeLessThan(1e-3)
    expect(found.heads).toHaveLength(2)
    for (const error of found.heads) expect(error).toBeLessThan(1e-3)
  })

  test('the most probable tokens, out of several parts of the vocabulary, each window under its own mask', () => {
    expect(found.isRankingEqual).toBe(true)
    expect(found.ranking).toBeLessThan(1e-4)
  })

  test('caches that grow keep what is in them', () => {
    expect(found.grown).toBeLessThan(1e-3)
  })

  test('caches stay on the device, and steps leave nothing behind', () => {
    expect(found.location).toBe('gpu-buffer')
    expect(found.grownBytes).toBeLessThan((found.steps * found.cacheBytes) / 3)
  })
})
