import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Static, TSchema } from 'typebox'
import { Check, Errors } from 'typebox/value'
import { EngineError } from './errors.ts'

/**
 * A JSON file of a checkpoint; undefined when it is not there.
 * @throws EngineError `checkpoint.invalid`
 */
export async function readJsonFile<Schema extends TSchema>(
  folder: string,
  name: string,
  schema: Schema,
): Promise<Static<Schema> | undefined> {
  const text = await readFile(join(folder, name), 'utf8').catch(() => undefined)
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
    `${name}: ${error?.instancePath ?? ''} ${error?.message ?? 'is invalid'}.`,
  )
}

export function missingFile(file: string, cause?: unknown): EngineError {
  return new EngineError('checkpoint.missing_file', `The checkpoint has no ${file}.`, { cause })
}
