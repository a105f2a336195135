import { homedir } from 'node:os'
import type { Setting, Settings, Values } from './setting.ts'

export type Environment = Readonly<Record<string, string | undefined>>
/** The flags that were given, by their names without the dashes. */
export type Flags = Readonly<Record<string, string | undefined>>

/** Flags win over the environment, which wins over the defaults; an empty variable counts as absent. */
export interface Sources {
  readonly environment: Environment
  readonly flags: Flags
}

/**
 * Reads all settings, also when one is wrong: its default then stands for it, so that others can be looked at as well.
 * @param problems gets a sentence for each that is wrong
 */
export function readSettings<S extends Settings>(settings: S, sources: Sources, problems: string[]): Values<S> {
  const entries = Object.entries(settings).map(([name, setting]) => [name, readSetting(setting, sources, problems)])
  // Each value is of its setting's type, which fromEntries does not follow.
  return Object.fromEntries(entries) as Values<S>
}

function readSetting(setting: Setting, { environment, flags }: Sources, problems: string[]): unknown {
  const flag = setting.flag === null ? undefined : flags[setting.flag]
  const given = flag ?? (environment[setting.variable] === '' ? undefined : environment[setting.variable])
  if (given === undefined) return readDefault(setting)
  const value = setting.type.read(given)
  if (value !== undefined) return value
  const source = flag === undefined ? setting.variable : `--${setting.flag}`
  const got = setting.isSecret === true ? 'something else (hidden)' : JSON.stringify(withoutCredentials(given))
  problems.push(`${source} takes ${setting.type.expects}; got ${got}`)
  return readDefault(setting)
}

function readDefault(setting: Setting): unknown {
  if (setting.default === null) return null
  return setting.type.read(setting.default.replace(/^~(?=\/)/, () => homedir()))
}

/** A URL's user and password do not belong into it, and may be there all the same. */
function withoutCredentials(value: string): string {
  return value.replace(/\/\/[^/]*@/g, '//…@')
}
