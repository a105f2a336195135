import { Command } from 'commander'
import { expect, test } from 'vitest'
import { DOMAINS } from '../config/settings.ts'
import { ENGINE_SETTINGS } from '../config/engine.ts'
import { HUB_SETTINGS } from '../config/hub.ts'
import type { Setting } from '../config/setting.ts'
import { addAllSettings, addSettings, givenFlags } from './options.ts'

/** Sections of the help by their headings, their lines with single spaces. */
function helpOf(command: Command): ReadonlyMap<string, readonly string[]> {
  let help = ''
  command.configureHelp({ helpWidth: 1000 }).configureOutput({ writeOut: (text) => (help += text) })
  command.outputHelp()
  const sections = help.trimEnd().split(/\n\n(?=\S)/)
  return new Map(
    sections.map((section) => {
      const [heading = '', ...lines] = section.split('\n')
      return [heading.replace(/:$/, ''), lines.map((line) => line.trim().replaceAll(/ +/g, ' '))] as const
    }),
  )
}

function lineOf({ flag, variable, type, meaning, default: text }: Setting): string {
  const byDefault = text === null || text === '' ? '' : `default: ${text}`
  if (flag === null) return `${variable} ${meaning}${byDefault === '' ? '' : ` (${byDefault})`}`
  return `--${flag} <${type.takes}> ${meaning} (${[variable, byDefault].filter(Boolean).join(', ')})`
}

test('the help has all settings as they are described, by domain', () => {
  const help = helpOf(addAllSettings(new Command()))
  for (const { title, settings } of DOMAINS) {
    const flagged = Object.values(settings).filter(({ flag }) => flag !== null)
    // A domain of variables alone has no heading.
    expect(help.get(title) ?? []).toEqual(flagged.map(lineOf))
  }
  const others = DOMAINS.flatMap(({ settings }) => Object.values(settings)).filter(({ flag }) => flag === null)
  expect(help.get('By variables alone')).toEqual(others.map(lineOf))
})

test('a command takes the flags of the settings that it is given, and no others', async () => {
  const settings = [ENGINE_SETTINGS.deviceMemoryBytes, HUB_SETTINGS.token]
  const command = addSettings(new Command(), settings)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
  await command.parseAsync(['--device-memory', '2G'], { from: 'user' })
  expect(givenFlags({ ...command.opts(), json: true })).toEqual({ 'device-memory': '2G' })
  await expect(command.parseAsync(['--port', '1'], { from: 'user' })).rejects.toThrow("unknown option '--port'")
})
