import type { Setting } from './setting.ts'
import { DOMAINS } from './settings.ts'

/** As the help says it behind the flag; behind the variable, where there is no flag. */
export function meaningOf({ meaning, variable, flag, default: byDefault }: Setting): string {
  const notes = [
    ...(flag === null ? [] : [variable]),
    ...(byDefault === null || byDefault === '' ? [] : [`default: ${byDefault}`]),
  ]
  return notes.length === 0 ? meaning : `${meaning} (${notes.join(', ')})`
}

/** All settings as Markdown: a table for each domain. */
export function settingsTables(): string {
  return DOMAINS.map(({ title, settings }) => {
    const rows = Object.values(settings).map(rowOf)
    return [`### ${title}`, '', '| variable | flag | takes | default | |', '|---|---|---|---|---|', ...rows].join('\n')
  }).join('\n\n')
}

function rowOf({ variable, flag, type, default: byDefault, meaning, see }: Setting): string {
  const takes = type.range === undefined ? code(type.takes) : `${code(type.takes)} ${type.range}`
  const cells = [code(variable), code(flag === null ? '' : `--${flag}`), takes, code(byDefault ?? '')]
  return `| ${[...cells, prose(see === undefined ? meaning : `${meaning}; see ${see}`)].join(' | ')} |`
}

function code(value: string): string {
  return value === '' ? '' : `\`${cell(value)}\``
}

function prose(value: string): string {
  return cell(value).replaceAll('*', String.raw`\*`)
}

/** A bar would end it, also in code. */
function cell(value: string): string {
  return value.replaceAll('|', String.raw`\|`)
}
