import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT } from './server.ts'

/** A table of Markdown, its header first. */
export function markdownTable([header = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `|${cells.map((cell) => ` ${cell} |`.replace('  |', ' |')).join('')}`
  return [line(header), `|${'---|'.repeat(header.length)}`, ...rows.map(line)].join('\n')
}

export const API_PAGE = join(PROJECT, 'docs/api.md')
export const WEBHOOKS_PAGE = join(PROJECT, 'docs/webhooks.md')

/**
 * A page as it is to be, with a table that is generated: `expect(…).toMatchFileSnapshot(page)` holds it to that, and writes it with
 * `npx vitest run <the test> --update`.
 * @param before the text that the table follows, after an empty line
 */
export function withTable(page: string, before: string, table: string): string {
  return withTables(page, [[before, table]])
}

/** The same, of several tables: a page is written once. */
export function withTables(page: string, tables: readonly (readonly [before: string, table: string])[]): string {
  return tables.reduce((text, [before, table]) => replaced(text, page, before, table), readFileSync(page, 'utf8'))
}

function replaced(text: string, page: string, before: string, table: string): string {
  const start = text.indexOf(`${before}\n\n|`) + before.length + 2
  if (start < before.length + 2) throw new Error(`${page} has no table behind ${JSON.stringify(before)}`)
  const end = text.indexOf('\n\n', start)
  const rest = end === -1 ? '\n' : text.slice(end)
  return `${text.slice(0, start)}${table}${rest}`
}
