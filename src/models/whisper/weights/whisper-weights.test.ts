import { cp, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PROJECT } from '../../../../test/support/server.ts'
import { identifyWeights, readWhisperWeights } from './whisper-weights.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')

const identityOf = async (folder: string): Promise<string> => await identifyWeights(await readWhisperWeights(folder))

test('a model is the same wherever it lies, and another one when it was trained further', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'sotto-identity-'))
  const copy = join(folder.path, 'copy')
  await cp(DEMO, copy, { recursive: true })
  const identity = await identityOf(DEMO)
  expect(identity).toMatch(/^[\da-f]{32}$/)
  expect(await identityOf(copy)).toBe(identity)

  const path = join(copy, 'model.safetensors')
  const weights = await readFile(path)
  const begin = 8 + Number(weights.readBigUInt64LE(0))
  // The last bit of one weight in a thousand.
  for (let at = begin; at < weights.length; at += 4000) weights[at]! ^= 1
  await writeFile(path, weights)
  expect(await identityOf(copy)).not.toBe(identity)
})

test('other alignment heads make another one', async () => {
  const weights = await readWhisperWeights(DEMO)
  expect(await identifyWeights({ ...weights, alignmentHeads: [[], [0]] })).not.toBe(await identifyWeights(weights))
})
