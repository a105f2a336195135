import { realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { isMissing, missingFile, readJsonFile } from '../json-file.ts'
import { readSafetensors } from './safetensors.ts'
import type { TensorLocation, Tensors } from './safetensors.ts'

const WEIGHTS = 'model.safetensors'
const ShardIndex = Type.Object({
  weight_map: Type.Record(Type.String(), Type.String({ pattern: '^\\w[\\w.-]*\\.safetensors$' }), { minProperties: 1 }),
})

/**
 * Where the tensors of a folder's `model.safetensors`, or of its shards, lie.
 * @param nameOf what a tensor is called here
 * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
 */
export async function readWeights(folder: string, nameOf: (stored: string) => string): Promise<Tensors> {
  const tensors = new Map<string, TensorLocation>()
  for (const file of await weightFiles(folder)) {
    // A hub's cache holds links; ONNX Runtime takes no file that a link leads out of its folder.
    const path = await realpath(join(folder, file)).catch((cause: unknown) => {
      throw isMissing(cause) ? missingFile(file, cause) : cause
    })
    for (const [name, location] of await readSafetensors(path)) tensors.set(nameOf(name), location)
  }
  return tensors
}

/** Some repositories have the weights whole and in shards as well; then the shards may not be here. */
async function weightFiles(folder: string): Promise<readonly string[]> {
  const isWhole = await stat(join(folder, WEIGHTS)).catch((cause: unknown) => {
    if (isMissing(cause)) return undefined
    throw cause
  })
  if (isWhole !== undefined) return [WEIGHTS]
  const index = await readJsonFile(folder, 'model.safetensors.index.json', ShardIndex)
  return index === undefined ? [WEIGHTS] : [...new Set(Object.values(index.weight_map))].toSorted()
}
