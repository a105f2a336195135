import { Option } from 'commander'
import type { Command } from 'commander'
import type { Flags } from '../config.ts'
import { SETTINGS } from '../settings.ts'
import type { Setting, SettingName } from '../settings.ts'

/** Gives a command the flags of these settings; all whose flag has a name when none are named. */
export function addSettings(command: Command, names: readonly SettingName[] = settingNames()): Command {
  for (const name of names) {
    const setting: Setting<unknown> = SETTINGS[name]
    if (setting.flag === null) continue
    command.addOption(new Option(`--${setting.flag} <${setting.takes}>`, `${setting.help} (${setting.env})`))
  }
  return command
}

/** The flags of settings among a command's options, by the name of the setting. */
export function givenFlags(options: Readonly<Record<string, unknown>>): Flags {
  const flags: Partial<Record<SettingName, string>> = {}
  for (const name of settingNames()) {
    const { flag }: Setting<unknown> = SETTINGS[name]
    const value = flag === null ? undefined : options[camelCase(flag)]
    if (typeof value === 'string') flags[name] = value
  }
  return flags
}

function settingNames(): readonly SettingName[] {
  return Object.keys(SETTINGS) as SettingName[]
}

/** Commander's name of a flag's value. */
function camelCase(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}
