import Type from 'typebox'
import { Check } from 'typebox/value'
import type { ModelFiles } from '../../contract/model-files.ts'
import type { Family, MemoryPlan, MemoryShare } from '../family.ts'
import { MODEL_TYPE } from './weights/whisper-weights.ts'
import { planDevice } from './planning/device-plan.ts'
import { languageCode, languageName } from './parameters/languages.ts'
import { estimateMemory } from './planning/cpu-memory.ts'
import { parseWhisperInput, readWhisperInput, whisperParameters } from './parameters/whisper-parameters.ts'

const Config = Type.Object({ model_type: Type.Literal(MODEL_TYPE) })

const OPTIONAL = ['generation_config.json', 'preprocessor_config.json'] as const
const TOKENIZER = 'tokenizer.json'
/** What older fine-tunes have in its place. */
const PLAIN_TOKENIZER = ['vocab.json', 'merges.txt'] as const
const WEIGHTS = 'model.safetensors'
const SHARD_INDEX = 'model.safetensors.index.json'

export const whisper: Family = {
  name: MODEL_TYPE,
  matches: (config) => Check(Config, config),
  parameters: {
    schema: whisperParameters.schema,
    descriptions: whisperParameters.descriptions,
    parse: parseWhisperInput,
    read: readWhisperInput,
    changed: (parameters) => whisperParameters.changed(parameters),
  },
  files: whisperFiles,
  plan,
  languageCode: (name) => languageCode(name) ?? undefined,
  languageName,
  load: async (settings) => {
    const { WhisperRecogniser } = await import('./recogniser.ts')
    return await WhisperRecogniser.load(settings)
  },
}

function whisperFiles(names: ReadonlySet<string>): ModelFiles {
  const tokenizer = names.has(TOKENIZER) ? [TOKENIZER] : [...PLAIN_TOKENIZER, 'added_tokens.json']
  const files = ['config.json', ...tokenizer, ...OPTIONAL].filter((name) => names.has(name))
  // Some repositories have both; then the shards are of no use.
  const weights = [WEIGHTS, SHARD_INDEX].filter((name) => names.has(name)).slice(0, 1)
  const hasTokenizer = names.has(TOKENIZER) || PLAIN_TOKENIZER.every((name) => names.has(name))
  const missing = !hasTokenizer ? TOKENIZER : weights.length > 0 ? undefined : WEIGHTS
  return missing === undefined ? { files, weights } : { files, weights, missing }
}

async function plan(modelFolder: string, { device, precision, batch, memoryBytes }: MemoryShare): Promise<MemoryPlan> {
  if (device.name === 'cpu') return { bytes: await estimateMemory(modelFolder, { precision, slots: batch }), batch }
  const { bytes, slots } = await planDevice(modelFolder, { device, precision, memoryBytes })
  return { bytes, batch: slots }
}
