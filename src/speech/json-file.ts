import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Static, TSchema } from 'typebox'
import { Check, Errors } from 'typebox/value'
import { EngineError } from './errors.ts'

const MIB = 2 ** 20
/** Tokenizers take 2 to 3 MB, an index of shards a tenth of a megabyte, all else a few kilobytes. */
const MAX_BYTES: Readonly<Record<string, number>> = {
  'tokenizer.json': 16 * MIB,
  'vocab.json': 16 * MIB,
  'merges.txt': 16 * MIB,
}

/**
 * A small file of a model; undefined when it is not there. Anybody may have made it, so its size is looked at before it is read:
 * parsed, it takes fifty times as much.
 * @throws EngineError `checkpoint.invalid`; errors of the file system as they are
 */
export async function readTextFile(folder: string, name: string): Promise<string | undefined> {
  const path = join(folder, name)
  const maxBytes = MAX_BYTES[name] ?? MIB
  try {
    const found = await stat(path)
    if (!found.isFile()) throw new EngineError('checkpoint.invalid', `${name} is no file.`)
    if (found.size > maxBytes) {
      throw new EngineError('checkpoint.invalid', `${name} has ${found.size} bytes; such a file has up to ${maxBytes}.`)
    }
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** A file that can't be opened for want of descriptors, say, is there all the same. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

/**
 * A JSON file of a model; undefined when it is not there.
 * @throws EngineError `checkpoint.invalid`; errors of the file system as they are
 */
export async function readJsonFile<Schema extends TSchema>(
  folder: string,
  name: string,
  schema: Schema,
): Promise<Static<Schema> | undefined> {
  const text = await readTextFile(folder, name)
  if (text === undefined) return undefined
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new EngineError('checkpoint.invalid', `${name} is not JSON.`, { cause })
  }
  if (Check(schema, json)) return json
  const [error] = Errors(schema, json)
  throw new EngineError(
    'checkpoint.invalid',
    `${name}: ${error?.instancePath.slice(0, 100) ?? ''} ${error?.message ?? 'is invalid'}.`,
  )
}

export function missingFile(file: string, cause?: unknown): EngineError {
  return new EngineError('checkpoint.missing_file', `The model has no ${file}.`, { cause })
}
