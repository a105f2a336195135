import { httpUrl } from './addresses.ts'
import type { Settings, ValueType, Values } from './setting.ts'
import { folder, list, named, onOff, text } from './value-types.ts'

/** What paths are appended to. */
const hubUrl: ValueType<string> = { ...httpUrl, read: (value) => httpUrl.read(value)?.href.replace(/\/+$/, '') }

/** Which models there are, and where their weights come from. What has no flag is shared with other tools that use the hub. */
export const HUB_SETTINGS = {
  /** Hub repositories beyond the catalogue's, `org/name` or `org/name@revision`. */
  models: {
    variable: 'SOTTO_MODELS',
    flag: 'models',
    type: list,
    default: '',
    meaning:
      'further models of the hub to serve, org/name or org/name@revision, separated by commas; sotto worker takes jobs of these alone',
  },
  endpoint: {
    variable: 'HF_ENDPOINT',
    flag: null,
    type: hubUrl,
    default: 'https://huggingface.co',
    meaning: 'the hub that weights are fetched from',
  },
  token: {
    variable: 'HF_TOKEN',
    flag: null,
    type: named('token', text),
    default: null,
    meaning: "the hub's access token, for gated models",
    isSecret: true,
  },
  home: {
    variable: 'HF_HOME',
    flag: null,
    type: folder,
    default: '~/.cache/huggingface',
    meaning: 'where fetched weights are kept, shared with other tools that use the hub',
  },
  offline: {
    variable: 'HF_HUB_OFFLINE',
    flag: null,
    type: onOff,
    default: 'off',
    meaning: 'on: never ask the hub',
  },
} as const satisfies Settings

export type HubConfig = Values<typeof HUB_SETTINGS>
