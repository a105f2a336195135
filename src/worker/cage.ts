import { existsSync } from 'node:fs'
import process from 'node:process'
import type { Sandbox } from './sandbox.ts'

/** What an engine process may take at most. */
export interface CageOptions {
  /** Memory of its own, reserved or used; what it maps of files does not count. Null: any, as drivers of GPUs need it. */
  readonly dataBytes: number | null
  /** A namespace of its own where there is one. */
  readonly sandbox: Sandbox | null
}

/** How a program is started in its cage; for `fork` and `spawn`. */
export interface Caged {
  readonly execPath: string
  readonly execArgv: readonly string[]
}

const SHELL = '/bin/sh'
/** Recordings, their log-mel, weights, libraries: a few dozen for each task. */
const OPEN_FILES = 4096
/**
 * The largest file that it writes is the log-mel of a recording, 184 MB an hour of audio for the models with most bands, or a quantised
 * copy of weights.
 */
const FILE_BYTES = 16 * 2 ** 30
/** POSIX counts the sizes of files in these. */
const BLOCK_BYTES = 512

/**
 * What Node and the libraries reserve before they do anything, and hardly use; the stacks of threads. Measured: 1.17 GB on two cores, of
 * which 0.2 GB are used.
 */
const RESERVED_BYTES = 1.25 * 2 ** 30
const STACK_BYTES = 16 * 2 ** 20
/** ONNX Runtime's arena grows in steps, and reserves more than it uses. Measured: 1.0 to 1.5 times the estimate. */
const MODEL_SHARE = 1.75

/**
 * The limit for a process that has loaded a model.
 * @param modelBytes what the model takes in use, by estimate
 * @param roomBytes what may come on top for recordings
 */
export function dataLimit(modelBytes: number, roomBytes: number, threads: number): number {
  return Math.ceil(RESERVED_BYTES + threads * STACK_BYTES + MODEL_SHARE * modelBytes + roomBytes)
}

/**
 * Limits by the shell's `ulimit`, which go with the process that it then becomes: no dumps of memory, in which recordings would lie; files
 * and memory bounded; the first one to be ended where the machine runs out of memory, as it is the one that takes it. A limit that is
 * lower already stays. Elsewhere than on Linux the program as it is.
 */
export function caged(node: Caged, { dataBytes, sandbox }: CageOptions): Caged {
  if (process.platform !== 'linux' || !existsSync(SHELL)) return node
  const limits = ['-c 0', `-n ${OPEN_FILES}`, `-f ${FILE_BYTES / BLOCK_BYTES}`]
  if (dataBytes !== null) limits.push(`-d ${Math.floor(dataBytes / 1024)}`)
  const script = [...limits.map((limit) => `ulimit ${limit}`), 'echo 1000 > /proc/self/oom_score_adj'].map(
    (line) => `{ ${line}; } 2>/dev/null`,
  )
  const program = sandbox === null ? [] : sandbox.command
  return {
    execPath: SHELL,
    execArgv: ['-c', [...script, 'exec "$0" "$@"'].join('\n'), ...program, node.execPath, ...node.execArgv],
  }
}
