import { existsSync } from 'node:fs'
import process from 'node:process'

/** How a program of Node's is started; for `fork` and `spawn`. */
export interface NodeProgram {
  readonly execPath: string
  readonly execArgv: readonly string[]
}

/** What a process may take at most. A limit that is lower already stays. */
export interface ProcessLimits {
  /** Memory of its own, reserved or used; what it maps of files does not count. Null: any. */
  readonly dataBytes: number | null
  /** The largest file that it may write; null: any. */
  readonly fileBytes: number | null
  readonly openFiles: number
}

const SHELL = '/bin/sh'
/** POSIX counts the sizes of files in these. */
const BLOCK_BYTES = 512

/**
 * The program under limits by the shell's `ulimit`, which go with the process that the shell then becomes: no dumps of memory, in which
 * recordings would lie; files and memory bounded; the first one to be ended where the machine runs out of memory, as it is the one that
 * takes it. Elsewhere than on Linux the program as it is.
 * @param through a program that starts it, with its arguments, under the same limits
 */
export function limited(node: NodeProgram, limits: ProcessLimits, through: readonly string[] = []): NodeProgram {
  if (process.platform !== 'linux' || !existsSync(SHELL)) return node
  const { dataBytes, fileBytes, openFiles } = limits
  const lines = ['ulimit -c 0', `ulimit -n ${openFiles}`]
  if (fileBytes !== null) lines.push(`ulimit -f ${Math.ceil(fileBytes / BLOCK_BYTES)}`)
  if (dataBytes !== null) lines.push(`ulimit -d ${Math.floor(dataBytes / 1024)}`)
  lines.push('echo 1000 > /proc/self/oom_score_adj')
  const script = [...lines.map((line) => `{ ${line}; } 2>/dev/null`), 'exec "$0" "$@"'].join('\n')
  return { execPath: SHELL, execArgv: ['-c', script, ...through, node.execPath, ...node.execArgv] }
}
