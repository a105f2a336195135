import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import { SCOPES } from '../../contract/scope.ts'
import { ENVIRONMENT_ID, LIMIT_NAMES, MAX_LIMIT, MODEL_NAME_PATTERN } from '../authentication/api-key.ts'
import type { ApiKey, LimitName, OwnLimits } from '../authentication/api-key.ts'
import { nullable } from '../nullable.ts'
import { SUGGESTED_MODEL } from '../../models/catalogue.ts'

/** How a limit is lifted, as in the server's settings. */
const OFF = 'off'

const limitMeanings: Readonly<Record<LimitName, string>> = {
  queuedJobs: 'Jobs that may wait.',
  runningJobs: 'Jobs that may run at the same time.',
  audioSecondsPerDay: 'Seconds of audio that may be submitted on one day of UTC.',
  requestsPerMinute: 'Requests that one server answers in a minute.',
}

const limitField = (meaning: string) =>
  Type.Unsafe<number | typeof OFF | null>({
    anyOf: [{ type: 'integer', minimum: 1, maximum: MAX_LIMIT }, { const: OFF }, { type: 'null' }],
    description: `${meaning} ${OFF}: any number; null or absent: as the server is set up.`,
  })

/** A field for each limit. */
function limitFields<Field extends TSchema>(field: (meaning: string) => Field): Record<LimitName, Field> {
  return Object.fromEntries(LIMIT_NAMES.map((name) => [name, field(limitMeanings[name])])) as Record<LimitName, Field>
}

const givenLimits = Type.Object(
  limitFields((meaning) => Type.Optional(limitField(meaning))),
  { additionalProperties: false },
)

const ScopeList = Type.Array(Type.Enum(SCOPES), { minItems: 1, maxItems: SCOPES.length, uniqueItems: true })

export const ModelList = Type.Array(Type.String({ pattern: MODEL_NAME_PATTERN }), {
  minItems: 1,
  maxItems: 100,
  uniqueItems: true,
  description: `Ids, such as ${SUGGESTED_MODEL.id}, or aliases.`,
})

const ruleFields = {
  name: Type.String({ minLength: 1, maxLength: 100, description: 'What it is for.' }),
  scopes: Type.Unsafe<Static<typeof ScopeList>>({
    ...ScopeList,
    description: 'transcribe and read unless they are said; admin has all of them.',
  }),
  models: nullable(ModelList),
  expiresAt: nullable(Type.String({ format: 'date-time', description: 'Null: when it is revoked.' })),
  limits: givenLimits,
}

export const NewKeyBody = Type.Object(
  { ...Type.Partial(Type.Object(ruleFields)).properties, name: ruleFields.name },
  { additionalProperties: false },
)
export const KeyChangesBody = Type.Partial(Type.Object(ruleFields), { additionalProperties: false })

const keyFields = {
  id: Type.String(),
  name: Type.String(),
  prefix: Type.String({ description: 'What the key begins with; empty for the environment’s.' }),
  source: Type.Enum(['made', 'environment'], {
    description: 'environment: SOTTO_API_KEY says what it is, and it can’t be changed here.',
  }),
  scopes: Type.Array(Type.Enum(SCOPES)),
  models: nullable(Type.Array(Type.String(), { description: 'Null: any model.' })),
  limits: Type.Object(
    limitFields((meaning) => Type.Optional(limitField(meaning))),
    { description: 'Those of its own, in the place of the server’s.' },
  ),
  createdAt: Type.String({ format: 'date-time' }),
  expiresAt: nullable(Type.String({ format: 'date-time' })),
  lastUsedAt: nullable(Type.String({ format: 'date-time', description: 'To the minute; null: not yet.' })),
}

export const KeySchema = Type.Object(keyFields, { description: 'An API key, without its secret.' })
export const NewKeySchema = Type.Object(
  { ...keyFields, key: Type.String({ description: 'The key itself. It is shown this once.' }) },
  { description: 'A new API key.' },
)
export const KeyListSchema = Type.Object({
  keys: Type.Array(KeySchema, { description: 'The oldest first.' }),
  next: nullable(Type.String({ description: 'Give it as `after` to get the next page; null: this is the last one.' })),
})

export function ownLimits(given: Static<typeof givenLimits>): OwnLimits {
  return Object.fromEntries(
    LIMIT_NAMES.flatMap((name) => {
      const value = given[name]
      return value === undefined || value === null ? [] : [[name, value === OFF ? null : value]]
    }),
  )
}

/** A key as the API shows it. */
export function keyBody(key: ApiKey, usedAt: Date | null = null): Static<typeof KeySchema> {
  const lastUsedAt = usedAt ?? key.lastUsedAt
  return {
    id: key.id,
    name: key.name,
    prefix: key.prefix,
    source: key.id === ENVIRONMENT_ID ? 'environment' : 'made',
    scopes: [...key.scopes],
    models: key.models === null ? null : [...key.models],
    limits: shownLimits(key.limits),
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  }
}

function shownLimits(limits: OwnLimits): Static<typeof KeySchema>['limits'] {
  return Object.fromEntries(
    LIMIT_NAMES.flatMap((name) => {
      const value = limits[name]
      return value === undefined ? [] : [[name, value ?? OFF]]
    }),
  )
}
