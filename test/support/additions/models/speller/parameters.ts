import Type from 'typebox'
import type { Static } from 'typebox'
import { Check, Default } from 'typebox/value'
import { InputError } from '../errors.ts'
import type { FamilyParameters, ParameterDescription } from '../family.ts'
import { parameterFacts } from '../parameter-schema.ts'

const SpellerInput = Type.Object(
  {
    unit: Type.Enum(['seconds', 'minutes'], { default: 'seconds', description: 'What is counted.' }),
    stall_after: Type.Union([Type.Integer({ minimum: 1, maximum: 100 }), Type.Null()], {
      default: null,
      description: 'After so many words a run that goes on from nothing says no more until it is aborted; null: never.',
    }),
  },
  { additionalProperties: false, description: 'Parameters of a speller.' },
)
type SpellerInput = Static<typeof SpellerInput>

const NAMES = Object.keys(SpellerInput.properties) as readonly (keyof SpellerInput)[]

export const parameters: FamilyParameters = {
  schema: Type.Partial(SpellerInput),
  descriptions: NAMES.map((name): ParameterDescription => ({ name, ...parameterFacts(SpellerInput.properties[name]) })),
  parse: readSpellerInput,
  read: readSpellerInput,
  changed: (given) => {
    const defaults = readSpellerInput({})
    return NAMES.filter((name) => given[name] !== defaults[name])
  },
}

export function readSpellerInput(given: unknown): SpellerInput {
  const input = Default(SpellerInput, structuredClone(given))
  if (Check(SpellerInput, input)) return input
  throw new InputError(`A speller takes ${NAMES.join(' and ')}, as GET /v1/models says; got ${JSON.stringify(given)}.`)
}
