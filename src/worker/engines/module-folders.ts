import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'

const MODULES = 'node_modules'

/**
 * The folders with what a package needs: its own, the one that it lies in where it is itself one of others, and those that links in
 * them lead to, since pnpm keeps each package elsewhere, beside links to what that needs in turn.
 */
export function moduleFolders(packageFolder: string): readonly string[] {
  const found = new Set([join(packageFolder, MODULES), ...topmost(packageFolder)])
  // What is added meanwhile is visited as well.
  for (const folder of found) {
    for (const target of linkedFrom(folder)) for (const next of topmost(target)) found.add(next)
  }
  return [...found]
}

/** The outermost one: with pnpm's own store inside, the package beside is a link to elsewhere in that. */
function topmost(path: string): readonly string[] {
  const parts = path.split(sep)
  const at = parts.indexOf(MODULES)
  return at === -1 ? [] : [parts.slice(0, at + 1).join(sep)]
}

/** Where the packages are that links stand for; those of a scope lie one folder deeper. */
function linkedFrom(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink()) return existsSync(path) ? [realpathSync(path)] : []
    return entry.isDirectory() && entry.name.startsWith('@') ? linkedFrom(path) : []
  })
}
