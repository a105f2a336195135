import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { PROJECT, temporaryFolder } from './server.ts'

export interface DocumentedCommands {
  /** Path within the project, such as `docs/events.md`. */
  readonly page: string
  /** What stands in place of the page's `export NAME=…`, whose values only the reader knows. */
  readonly variables: Readonly<Record<string, string>>
  /** Which blocks, counted from 0; default: all. */
  readonly blocks?: readonly number[]
  readonly signal?: AbortSignal
}

/** What one block printed. */
export interface Ran {
  readonly commands: string
  readonly output: string
}

/** A line that no command prints. */
const END = '\u0001end of a block\u0001'

/** The page's blocks of commands: those that are marked `sh`. What is not to be run is marked otherwise, such as `shell`. */
export async function documentedCommands(page: string): Promise<readonly string[]> {
  const markdown = await readFile(join(PROJECT, page), 'utf8')
  return [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands ?? '')
}

/**
 * Runs a page's commands as its reader would, one after the other in one shell, in a folder of its own where the project's files are found
 * by the paths that the page names, and `npx sotto` is this program.
 * @throws when a command fails, with what it and those before it printed
 */
export async function runDocumentedCommands(options: DocumentedCommands): Promise<readonly Ran[]> {
  const { page, variables, signal } = options
  const all = await documentedCommands(page)
  const blocks = options.blocks?.map((index) => all[index] ?? missing(page, index)) ?? all
  await using folder = await temporaryFolder()
  for (const path of ['test', 'examples', 'docs', 'models']) await symlink(join(PROJECT, path), join(folder.path, path))
  const sotto = `npx() { shift; "${process.execPath}" "${join(PROJECT, 'bin/sotto.js')}" "$@"; }`
  const script = [
    sotto,
    ...blocks.map((commands) => `${filled(commands, variables, page)}\nprintf '%s\\n' '${END}'`),
  ].join('\n')
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder.path,
    env: { PATH: process.env['PATH'], HOME: folder.path, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
  })
  const [output, errors] = await Promise.all([text(shell.stdout), text(shell.stderr), once(shell, 'close')])
  if (shell.exitCode !== 0) throw new Error(`${basename(page)}: exit code ${shell.exitCode}\n${output}\n${errors}`)
  const printed = output.split(`${END}\n`)
  return blocks.map((commands, index) => ({ commands, output: printed[index] ?? '' }))
}

function filled(commands: string, variables: Readonly<Record<string, string>>, page: string): string {
  return commands.replace(/^export (\w+)=.*$/gm, (line, name: string) => {
    const value = variables[name]
    if (value === undefined && line.includes('…')) throw new Error(`${page}: nothing is given for ${line}`)
    return value === undefined ? line : ''
  })
}

function missing(page: string, index: number): never {
  throw new Error(`${page} has no block ${index} of commands`)
}
