import { isDeepStrictEqual } from 'node:util'
import Type from 'typebox'
import { Check } from 'typebox/value'
import type { ModelFiles } from '../../contract/model-files.ts'
import type { ModelParameters } from '../../contract/recognition-task.ts'
import type { Family, MemoryPlan, MemoryShare } from '../family.ts'
import { MODEL_TYPE } from './checkpoint.ts'
import { planDevice } from './device-memory.ts'
import { languageCode } from './languages.ts'
import { estimateMemory } from './model-memory.ts'
import {
  PartialWhisperInputSchema,
  describeParameters,
  listOf,
  parseWhisperInput,
  readWhisperInput,
} from './parameters.ts'
import type { WhisperInput } from './parameters.ts'

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
    schema: PartialWhisperInputSchema,
    descriptions: describeParameters(),
    parse: parseWhisperInput,
    read: readWhisperInput,
    changed: changedParameters,
  },
  files: whisperFiles,
  plan,
  languageCode: (name) => languageCode(name) ?? undefined,
  load: async (settings) => {
    const { WhisperRecogniser } = await import('./recogniser.ts')
    return await WhisperRecogniser.load(settings)
  },
}

function changedParameters(parameters: ModelParameters): readonly string[] {
  const given = comparable(readWhisperInput(parameters))
  const defaults = comparable(readWhisperInput({}))
  return Object.keys(defaults).filter((name) => !isDeepStrictEqual(given[name], defaults[name]))
}

/** The same list may be given in two ways. */
function comparable(input: WhisperInput): ModelParameters {
  return { ...input, suppress_tokens: listOf(input.suppress_tokens), clip_timestamps: listOf(input.clip_timestamps) }
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
