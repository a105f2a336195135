import type { Settings, ValueType, Values } from './setting.ts'
import { bytes, integer, named, secondsAsMs, text } from './value-types.ts'

const ALIAS = /^([^\s=,]{1,200})=([^\s=,]{1,200})$/

/** Names of models, and the ids that they stand for. */
const aliases: ValueType<ReadonlyMap<string, string>> = {
  takes: 'list',
  expects: 'a list of name=org/model, separated by commas, such as whisper-1=org/model',
  read: (value) => {
    const items = value
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
    const found = new Map<string, string>()
    for (const item of items) {
      const [, name, id] = ALIAS.exec(item) ?? []
      if (name === undefined || id === undefined) return undefined
      found.set(name, id)
    }
    return found
  },
}

/** The routes that other services' clients know: OpenAI's, and those of whisper-asr-webservice. */
export const OPENAI_SETTINGS = {
  /** Null: the largest whose weights are here. */
  defaultModel: {
    variable: 'SOTTO_DEFAULT_MODEL',
    flag: 'default-model',
    type: named('name', text),
    default: null,
    meaning:
      'the model that OpenAI’s names such as whisper-1 stand for, and that /asr runs; by default the largest one whose weights are here',
    see: '[openai.md](openai.md#models)',
  },
  modelAliases: {
    variable: 'SOTTO_MODEL_ALIASES',
    flag: 'model-aliases',
    type: aliases,
    default: '',
    meaning: 'further names of models at these routes, name=org/model, separated by commas',
    see: '[openai.md](openai.md#models)',
  },
  maxBytes: {
    variable: 'SOTTO_OPENAI_MAX_BYTES',
    flag: 'openai-max-bytes',
    type: bytes,
    default: '2G',
    meaning: 'largest form, with its recording, that these routes take, where SOTTO_MAX_UPLOAD_BYTES is not less',
  },
  timeoutMs: {
    variable: 'SOTTO_OPENAI_TIMEOUT',
    flag: 'openai-timeout',
    type: secondsAsMs(integer(1, 86_400)),
    default: '3600',
    meaning: 'how long a request to these routes may wait for its result',
    see: '[openai.md](openai.md#long-recordings)',
  },
} as const satisfies Settings

export type OpenAiConfig = Values<typeof OPENAI_SETTINGS>
