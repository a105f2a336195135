import { createReadStream } from 'node:fs'
import { open, readdir, realpath, rm, stat, statfs } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import process from 'node:process'
import type { Readable } from 'node:stream'
import { isDiskFull } from '../speech/errors.ts'

/** Standard input, by the names that it has. Opened by its path it can't be read where it is a socket. */
const STDIN = new Set(['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'])

/** A recording that a command line names. */
export interface Input {
  /** As messages call it. */
  readonly name: string
  /** Null: standard input. */
  readonly path: string | null
  /** What its output is named after: its path below the folder that was named, else its own name. */
  readonly outputName: string
  /** It was found in a folder, where anything may lie. */
  readonly isFound: boolean
}

/** An input, or what an argument is instead of one. */
export type Found = Input | { readonly name: string; readonly error: Error }

/**
 * What arguments stand for: `-` for standard input, a folder for the files in it and below, in the order of their names, without
 * hidden ones; each file once.
 */
export async function findInputs(names: readonly string[]): Promise<readonly Found[]> {
  const found = (await Promise.all(names.map(inputsOf))).flat()
  const byPath = new Map(
    found.map((each) => ['path' in each && each.path !== null ? resolve(each.path) : each.name, each]),
  )
  // A file that is named beside its folder is one that was named.
  for (const each of found)
    if ('isFound' in each && !each.isFound && each.path !== null) byPath.set(resolve(each.path), each)
  return [...byPath.values()]
}

async function inputsOf(name: string): Promise<readonly Found[]> {
  if (STDIN.has(name)) return [{ name: 'stdin', path: null, outputName: 'stdin', isFound: false }]
  try {
    if (!(await stat(name)).isDirectory()) return [{ name, path: name, outputName: basename(name), isFound: false }]
    const files = await filesBelow(name)
    if (files.length === 0) return [{ name, error: new Error('there is no file in this folder') }]
    return files.map((path) => ({ name: path, path, outputName: relative(name, path), isFound: true }))
  } catch (error) {
    return [{ name, error: explained(error) }]
  }
}

/** Links to folders are not followed, so that there are no circles. */
async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const visible = entries
    .filter((entry) => !entry.name.startsWith('.'))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
  const files = await Promise.all(
    visible.map(async (entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return await filesBelow(path)
      return entry.isFile() || (entry.isSymbolicLink() && (await isFile(path))) ? [path] : []
    }),
  )
  return files.flat()
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true
}

/** A recording as a file that can be read at any place, and by another process; disposing it removes what was made for that. */
export interface OpenInput extends AsyncDisposable {
  readonly path: string
}

/** @throws Error whose message is for the user */
export async function openInput(
  { path }: Input,
  limits: { readonly temporaryFolder: string; readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<OpenInput> {
  if (path === null) {
    if (process.stdin.isTTY) throw new Error('standard input is a terminal; lead a recording into it')
    return await spool(process.stdin, limits)
  }
  try {
    // What leads to an open file, as /dev/fd does, means something else in another process.
    const real = await realpath(path).catch(() => path)
    if (await isFile(real)) return { path: real, [Symbol.asyncDispose]: () => Promise.resolve() }
    await stat(path)
  } catch (error) {
    throw explained(error)
  }
  return await spool(createReadStream(path), limits)
}

/** Keeps what comes as a stream: decoding reads some formats from the end first. */
async function spool(
  source: Readable,
  {
    temporaryFolder,
    maxBytes,
    signal,
  }: { readonly temporaryFolder: string; readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<OpenInput> {
  const path = join(temporaryFolder, 'recording')
  const remove = (): Promise<void> => rm(path, { force: true })
  let bytes = 0
  const onAbort = (): void => void source.destroy(signal.reason instanceof Error ? signal.reason : undefined)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await using file = await open(path, 'w', 0o600)
    for await (const chunk of source as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxBytes) {
        throw new Error(
          `it has more than ${maxBytes} bytes (SOTTO_MAX_UPLOAD_BYTES), which are kept in ${temporaryFolder}; name a file instead`,
        )
      }
      await file.writeFile(chunk)
    }
    signal.throwIfAborted()
    return { path, [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw isDiskFull(error) ? await diskFull(temporaryFolder, bytes, error) : explained(error)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function diskFull(folder: string, bytes: number, cause: unknown): Promise<Error> {
  const { bavail, bsize } = await statfs(folder)
  const free = `${Math.floor((bavail * bsize) / 1e6)} MB are free`
  return new Error(`the disk is full after ${bytes} bytes of it (${free}); set TMPDIR to a folder with more room`, {
    cause,
  })
}

function explained(error: unknown): Error {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new Error('there is no such file', { cause: error })
    case 'EACCES':
    case 'EPERM':
      return new Error('this user may not read it', { cause: error })
    default:
      return error instanceof Error ? error : new Error(String(error))
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
