import { execFile } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { access, constants, mkdir } from 'node:fs/promises'
import { delimiter, dirname, extname, join, sep } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Logger } from 'pino'
import { harmlessEnvironment } from '../../confinement/environment.ts'
import { EngineProcessError } from '../errors.ts'
import { moduleFolders } from './module-folders.ts'
import type { SandboxChoice } from '../../contract/sandbox-choice.ts'

/** What engine processes are started by: they see a few folders, no network, and no other process. */
export interface Sandbox {
  /** Program and arguments in front of those of the process. */
  readonly command: readonly string[]
}

export interface SandboxFolders {
  /** Weights and recordings. One that is not there yet is left out. */
  readonly readable: readonly string[]
  /** Are made where they are not there. */
  readonly writable: readonly string[]
}

/** Native libraries from a cold disk take a slow machine a while; others are done in a fraction of a second. */
const TRIAL_MS = 60_000
/** The extension differs between a checkout and a compiled package. */
const TRIAL = fileURLToPath(new URL(`./sandbox-trial${extname(import.meta.url)}`, import.meta.url))
/** The sources, or what they were compiled to, lie beside the manifest. */
const PACKAGE = dirname(dirname(dirname(import.meta.dirname)))
/** Of the package's folder only this: a data folder may lie in it as well. */
const PARTS = ['package.json', 'src', 'dist', 'models']
/** Libraries of the system, and what tells where they are. */
const SYSTEM = ['/usr', '/nix/store', '/sys/devices/system', '/sys/fs/cgroup']
const SETTINGS = ['ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'ld.so.preload', 'localtime', 'alternatives']
const LINKED = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

export interface SandboxTrial {
  readonly logger: Logger
  readonly signal: AbortSignal
  /** What the trial runs. */
  readonly entry?: string
}

/**
 * Finds out whether bubblewrap is there and works. In containers it is often forbidden; then the container is the sandbox.
 * @returns null where engine processes go without
 * @throws EngineProcessError `sandbox.unavailable` where it has to be and is not
 */
export async function findSandbox(
  choice: SandboxChoice,
  folders: SandboxFolders,
  { logger, signal, entry = TRIAL }: SandboxTrial,
): Promise<Sandbox | null> {
  if (choice === 'off') return null
  const program = await findProgram('bwrap')
  let cause: unknown
  if (process.platform === 'linux' && program !== undefined) {
    for (const folder of folders.writable) await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => undefined)
    const sandbox = { command: [program, ...bubblewrap(folders)] }
    try {
      await tryOut(sandbox, entry, signal)
      logger.info('engine processes run in a sandbox, by bubblewrap')
      return sandbox
    } catch (error) {
      signal.throwIfAborted()
      cause = error
    }
  }
  const why =
    program === undefined
      ? 'there is no bwrap in the PATH'
      : `bwrap is there, and no engine runs in it: ${reason(cause)}`
  if (choice === 'on') {
    throw new EngineProcessError(
      'sandbox.unavailable',
      `SOTTO_SANDBOX is on, and ${why}. Install bubblewrap and allow user namespaces, or set it to auto or off.`,
      { cause },
    )
  }
  logger.info(`engine processes run without a sandbox: ${why}`)
  return null
}

/** The same with a model's files in it, which may lie behind links that lead out of the folders that it shows. */
export function showing(sandbox: Sandbox, folder: string): Sandbox {
  if (!existsSync(folder)) return sandbox
  const files = readdirSync(folder).map((name) => join(folder, name))
  const places = [folder, ...files].filter((path) => existsSync(path)).map((path) => realpathSync(path))
  return { command: [...sandbox.command, ...[...new Set(places)].flatMap((path) => ['--ro-bind', path, path])] }
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, name)
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

/** Loads what an engine loads, and ends: without its libraries a sandbox is none. */
async function tryOut(
  { command: [program = '', ...args] }: Sandbox,
  entry: string,
  signal: AbortSignal,
): Promise<void> {
  const options = { timeout: TRIAL_MS, killSignal: 'SIGKILL', env: harmlessEnvironment(), signal } as const
  await promisify(execFile)(program, [...args, process.execPath, entry], options)
}

/** Why the trial failed, in a line. Node shows the place of an error before what it says. */
function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return 'this is not Linux'
  if ('killed' in cause && cause.killed === true) return `the trial took longer than ${TRIAL_MS / 1000} s`
  const said = 'stderr' in cause && typeof cause.stderr === 'string' ? cause.stderr : cause.message
  const lines = said.split('\n').filter((line) => line.trim() !== '')
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines[0] ?? 'the trial said nothing'
}

/** The process is PID 1 of its namespace, so that all that it started ends with it. */
function bubblewrap({ readable, writable }: SandboxFolders): readonly string[] {
  const { LD_LIBRARY_PATH: libraries = '', LD_PRELOAD: preloaded = '' } = harmlessEnvironment()
  const code = [process.execPath, ...PARTS.map((part) => join(PACKAGE, part)), ...moduleFolders(PACKAGE)]
  const all = [
    ...[...SYSTEM, ...SETTINGS.map((name) => join('/etc', name)), ...libraries.split(':'), ...preloaded.split(/[: ]/)],
    ...[...code, ...readable],
  ]
  return [
    ...['--unshare-all', '--as-pid-1', '--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
    ...LINKED.flatMap(systemFolder),
    ...all.filter((path) => path.startsWith(sep)).flatMap((path) => bind('--ro-bind', path)),
    ...writable.flatMap((path) => bind('--bind', path)),
    ...['--chdir', '/'],
  ]
}

/** Under its own name, and under the one that links lead to. */
function bind(how: '--bind' | '--ro-bind', path: string): readonly string[] {
  if (!existsSync(path)) return [`${how}-try`, path, path]
  const real = realpathSync(path)
  return [how, path, path, ...(real === path ? [] : [how, real, real])]
}

function systemFolder(path: string): readonly string[] {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return []
  return found.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path]
}
