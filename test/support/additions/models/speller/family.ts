import Type from 'typebox'
import { Check } from 'typebox/value'
import type { Family } from '../family.ts'
import { parameters } from './parameters.ts'

const Config = Type.Object({ model_type: Type.Literal('speller') })

/** Says how long a recording is. It has no weights. */
export const speller: Family = {
  name: 'speller',
  matches: (config) => Check(Config, config),
  parameters,
  files: () => ({ files: ['config.json'], weights: [] }),
  plan: (_, { batch }) => Promise.resolve({ bytes: 64 * 2 ** 20, batch }),
  languageCode: () => undefined,
  languageName: () => undefined,
  load: async () => new (await import('./recogniser.ts')).Speller(),
}
