import Type from 'typebox'
import {
  MAX_METADATA_KEY_LENGTH,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_LENGTH,
  MAX_NAME_LENGTH,
  NAME_KEY,
  isCleanText,
} from '../../jobs/job-labels.ts'
import type { Metadata } from '../../jobs/job-labels.ts'
import { ApiError } from '../errors/api-error.ts'

export const NameField = Type.String({
  minLength: 1,
  maxLength: MAX_NAME_LENGTH,
  description: 'What to call the job, such as the file’s name. Without it, `metadata.name`.',
  examples: ['interview.m4a'],
})

const Key = Type.String({ minLength: 1, maxLength: MAX_METADATA_KEY_LENGTH })
export const MetadataValue = Type.String({ maxLength: MAX_METADATA_VALUE_LENGTH })

/**
 * @param value what a key may have
 * @param description for the OpenAPI document
 */
export function metadataOf<Value extends Type.TSchema>(value: Value, description: string) {
  return Type.Record(Type.String(), value, { maxProperties: MAX_METADATA_PAIRS, propertyNames: Key, description })
}

export const MetadataField = metadataOf(
  MetadataValue,
  `Up to ${MAX_METADATA_PAIRS} strings of your own, by which jobs can be listed.`,
)

export interface Labels {
  readonly name: string | null
  readonly metadata: Metadata
}

/**
 * What a request calls its job.
 * @throws ApiError 400 for characters that no name may have
 */
export function labelsOf(given: {
  readonly name?: string | undefined
  readonly metadata?: Metadata | undefined
}): Labels {
  const { metadata = {} } = given
  const name = given.name ?? nameIn(metadata)
  if (name !== null) requireClean('name', name)
  requireCleanMetadata(metadata)
  return { name, metadata }
}

/** @throws ApiError 400 */
export function requireClean(field: string, text: string): void {
  if (isCleanText(text)) return
  throw new ApiError(
    400,
    `${field} takes no control characters, line breaks or halves of surrogate pairs; got ${JSON.stringify(text.slice(0, 100))}.`,
  )
}

/** @throws ApiError 400 */
export function requireCleanMetadata(metadata: Readonly<Record<string, string | null>>): void {
  for (const [key, value] of Object.entries(metadata)) {
    requireClean('A key of metadata', key)
    if (value !== null) requireClean(`metadata.${key}`, value)
  }
}

/**
 * The name that metadata gives; null: none.
 * @throws ApiError 400 when it is too long for one
 */
export function nameIn(metadata: Readonly<Record<string, string | null>>): string | null {
  const name = Object.hasOwn(metadata, NAME_KEY) ? (metadata[NAME_KEY] ?? '') : ''
  if ([...name].length <= MAX_NAME_LENGTH) return name === '' ? null : name
  throw new ApiError(
    400,
    `metadata.${NAME_KEY} names the job, and takes up to ${MAX_NAME_LENGTH} characters; got ${[...name].length}.`,
  )
}
