import Type from 'typebox'
import type { Static } from 'typebox'
import { JOB_STATUSES } from '../../jobs/job.ts'
import {
  MAX_METADATA_KEY_LENGTH,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_LENGTH,
  MAX_NAME_LENGTH,
} from '../../jobs/job-labels.ts'
import type { Metadata } from '../../jobs/job-labels.ts'
import type { JobFilter } from '../../jobs/job-store.ts'
import { ApiError } from '../errors/api-error.ts'
import { requireClean, requireCleanMetadata } from './job-labels.ts'
import { dateOf } from './job-options.ts'

const MAX_MODELS = 20
const ModelId = Type.String({ minLength: 1, maxLength: 255 })
const Status = Type.Enum(JOB_STATUSES)

/** What a list and an action on many may be restricted to, but for metadata. */
export const filterFields = {
  status: Type.Optional(
    Type.Union([Status, Type.Array(Status, { minItems: 1, maxItems: 10 })], {
      description: 'One, or several of them.',
    }),
  ),
  model: Type.Optional(
    Type.Union([ModelId, Type.Array(ModelId, { minItems: 1, maxItems: MAX_MODELS })], {
      description: '`publisher/model`; one, or several of them.',
    }),
  ),
  from: Type.Optional(
    Type.String({
      maxLength: 50,
      description: 'Accepted at this time or later: RFC 3339, or a date, whose day begins at midnight UTC.',
    }),
  ),
  to: Type.Optional(Type.String({ maxLength: 50, description: 'Accepted before this time.' })),
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: MAX_NAME_LENGTH,
      description: 'A part of the name; without regard to case and accents.',
    }),
  ),
}

const FilterSchema = Type.Object(filterFields)

/** @throws ApiError 400 naming the field, what it got and what it takes */
export function filterOf(given: Static<typeof FilterSchema>, metadata: Metadata): JobFilter {
  const { status, model, q } = given
  requireCleanMetadata(metadata)
  for (const id of listOf(model)) requireClean('model', id)
  if (q !== undefined) requireClean('q', q)
  return {
    ...(status === undefined ? {} : { statuses: [...new Set(listOf(status))] }),
    ...(model === undefined ? {} : { models: listOf(model) }),
    ...(given.from === undefined ? {} : { from: timeOf('from', given.from) }),
    ...(given.to === undefined ? {} : { to: timeOf('to', given.to) }),
    ...(q === undefined ? {} : { text: q }),
    metadata,
  }
}

function listOf<T extends string>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value
}

const DATE = /^\d{4}-\d\d-\d\d$/

function timeOf(field: string, text: string): Date {
  const time = DATE.test(text) ? new Date(`${text}T00:00:00Z`) : dateOf(text)
  if (!Number.isNaN(time.getTime())) return time
  throw new ApiError(
    400,
    `${field} takes a time such as 2026-01-31T12:00:00Z or a date such as 2026-01-31; got ${JSON.stringify(text)}.`,
  )
}

const METADATA_PREFIX = 'metadata.'

/**
 * The pairs that a query asks for as `metadata.<key>=<value>`.
 * @throws ApiError 400
 */
export function metadataIn(query: object): Metadata {
  const pairs = Object.entries<unknown>({ ...query }).filter(([name]) => name.startsWith(METADATA_PREFIX))
  if (pairs.length > MAX_METADATA_PAIRS) {
    throw new ApiError(400, `The query has ${pairs.length} pairs of metadata; a job has ${MAX_METADATA_PAIRS} at most.`)
  }
  return Object.fromEntries(
    pairs.map(([name, value]) => {
      const key = name.slice(METADATA_PREFIX.length)
      const isKey = key !== '' && [...key].length <= MAX_METADATA_KEY_LENGTH
      if (isKey && typeof value === 'string' && [...value].length <= MAX_METADATA_VALUE_LENGTH) return [key, value]
      throw new ApiError(
        400,
        `${name.slice(0, 100)} takes a key of 1 to ${MAX_METADATA_KEY_LENGTH} characters, once, and a value of up to ` +
          `${MAX_METADATA_VALUE_LENGTH}, as metadata.<key>=<value>.`,
      )
    }),
  )
}
