import Type from 'typebox'
import { orNull, parameter } from '../parameters/parameter.ts'
import { ParameterSet } from '../parameters/parameter-set.ts'

export const parameters = new ParameterSet(
  {
    unit: parameter(Type.Enum(['seconds', 'minutes']), { default: 'seconds', meaning: 'What is counted.' }),
    stall_after: parameter(orNull(Type.Integer({ minimum: 1, maximum: 100 })), {
      default: null,
      meaning: 'After so many words a run that goes on from nothing says no more until it is aborted; null: never.',
    }),
  },
  'Parameters of a speller.',
)
