import { Option } from 'commander'
import type { Command } from 'commander'
import { meaningOf } from '../config/documentation.ts'
import type { Flags } from '../config/read-settings.ts'
import type { Setting } from '../config/setting.ts'
import { DOMAINS, SETTINGS } from '../config/settings.ts'

/** Gives a command the flags of these settings. */
export function addSettings(command: Command, settings: readonly Setting[]): Command {
  for (const option of settings.flatMap(optionsOf)) command.addOption(option)
  return command
}

/** Gives a command the flags of all settings, by domain; its help tells of those without a flag as well. */
export function addAllSettings(command: Command): Command {
  for (const { title, settings } of DOMAINS) {
    for (const option of Object.values(settings).flatMap(optionsOf)) command.addOption(option.helpGroup(`${title}:`))
  }
  return command.addHelpText('after', `\nBy variables alone:\n${flagless()}`)
}

function flagless(): string {
  const settings = SETTINGS.filter(({ flag }) => flag === null)
  const width = Math.max(...settings.map(({ variable }) => variable.length))
  return settings.map((setting) => `  ${setting.variable.padEnd(width)}  ${meaningOf(setting)}`).join('\n')
}

/** None where there is no flag. */
function optionsOf(setting: Setting): readonly Option[] {
  return setting.flag === null ? [] : [new Option(`--${setting.flag} <${setting.type.takes}>`, meaningOf(setting))]
}

/** The flags of settings among a command's options. */
export function givenFlags(options: Readonly<Record<string, unknown>>): Flags {
  const flags: Record<string, string> = {}
  for (const { flag } of SETTINGS) {
    const value = flag === null ? undefined : options[camelCase(flag)]
    if (flag !== null && typeof value === 'string') flags[flag] = value
  }
  return flags
}

/** Commander's name of a flag's value. */
function camelCase(flag: string): string {
  return flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}
