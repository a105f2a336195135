import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import { Check } from 'typebox/value'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import type { Family } from '../../models/family.ts'
import { RemoteError } from './errors.ts'

/** Parameters that OpenAI's API has too, where a family has them. */
const HonouredSchema = Type.Partial(
  Type.Object({
    task: Type.Enum(['transcribe', 'translate']),
    /** Its code; null: it is to be detected. */
    language: Type.Union([Type.String(), Type.Null()]),
    temperature: Type.Number(),
    initial_prompt: Type.Union([Type.String(), Type.Null()]),
    word_timestamps: Type.Boolean(),
  }),
)

export type Honoured = Static<typeof HonouredSchema>

const SCHEMAS: ReadonlyMap<string, TSchema> = new Map(Object.entries(HonouredSchema.properties))

/**
 * A parameter that would be ignored is refused: a transcript that looks as if it had been followed would be worse. What is as by
 * default is the server's own affair.
 * @param stored the job's
 * @throws RemoteError `input.unsupported`, naming the parameters
 */
export function honouredOf(stored: ModelParameters, { parameters }: Family): Honoured {
  const given = parameters.read(stored)
  const refused = [...strangeIn(given), ...parameters.changed(given).filter((name) => !SCHEMAS.has(name))]
  if (refused.length === 0 && Check(HonouredSchema, given)) return given
  throw new RemoteError(
    'input.unsupported',
    `The transcription server behind this service can’t honour ${refused.map((name) => `input.${name}`).join(', ')}. Leave out ` +
      'what it can’t honour, or use a server that transcribes by itself.',
  )
}

/** Those in a form that OpenAI's API has not. */
function strangeIn(given: ModelParameters): readonly string[] {
  return Object.entries(given)
    .filter(([name, value]) => !Check(SCHEMAS.get(name) ?? Type.Unknown(), value))
    .map(([name, value]) => (Array.isArray(value) ? `${name} as a list` : name))
}
