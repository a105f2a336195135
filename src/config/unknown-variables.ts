import type { Environment } from './read-settings.ts'
import { SETTINGS } from './settings.ts'

const PREFIX = 'SOTTO_'
/** Letters that may be wrong: two letters in each other's place are two. */
const MAX_MISTAKES = 3

export interface UnknownVariable {
  readonly name: string
  /** The variable that was most likely meant; undefined: none is near. */
  readonly meant: string | undefined
}

/** Variables that look like Sotto's and are none: most likely misspelt. */
export function unknownVariables(environment: Environment): readonly UnknownVariable[] {
  const known = new Set(SETTINGS.map(({ variable }) => variable))
  return Object.keys(environment)
    .filter((name) => name.startsWith(PREFIX) && !known.has(name))
    .map((name) => ({ name, meant: nearest(name, [...known]) }))
}

/** Compared without the prefix, which is given to what has none (`SOTTO_PORT`) and would make all names alike. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const rest = withoutPrefix(name)
  const distances = known.map((other) => ({ other, distance: editDistance(rest, withoutPrefix(other)) }))
  return distances
    .filter(({ distance }) => distance <= MAX_MISTAKES && distance < rest.length / 2)
    .toSorted((one, two) => one.distance - two.distance)[0]?.other
}

function withoutPrefix(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
}

/** Levenshtein's: letters to be put in, taken out or exchanged. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1]
    for (const [column, other] of [...to].entries()) {
      const [diagonal = 0, above = 0] = row.slice(column, column + 2)
      next.push(Math.min(diagonal + (letter === other ? 0 : 1), above + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
