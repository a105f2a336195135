import { existsSync } from 'node:fs'
import process from 'node:process'

/** Node reserves 0.58 GB before it does anything, and uses a tenth of it. What FFmpeg takes for headers comes on top. */
const DATA_BYTES = 2 ** 30
const HEAP_FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=1']
const FILES = 64

const SHELL = '/bin/sh'

/** What the loaders of Windows and of libraries ask for. Nothing else of the environment is a probe's business, least of all secrets. */
const ALLOWED = ['LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SYSTEMROOT', 'WINDIR', 'SYSTEMDRIVE']
/** What is free goes back at once. */
const MEMORY = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' }

/**
 * How a probe's process is started, for `fork`. On Linux the shell bounds its memory, and its files to none that is written, and it is the first one
 * to be ended where the machine runs out of memory; elsewhere time alone is bounded, and the heap.
 */
export function probeLimits(): {
  readonly execPath: string
  readonly execArgv: string[]
  readonly env: NodeJS.ProcessEnv
} {
  const given = Object.entries(process.env).filter(([name]) => ALLOWED.includes(name.toUpperCase()))
  const env = { ...Object.fromEntries(given), ...MEMORY }
  if (process.platform !== 'linux' || !existsSync(SHELL)) {
    return { execPath: process.execPath, execArgv: [...HEAP_FLAGS], env }
  }
  // A limit that is lower already stays.
  const script = ['ulimit -c 0', 'ulimit -f 0', `ulimit -n ${FILES}`, `ulimit -d ${DATA_BYTES / 1024}`]
    .concat('echo 1000 > /proc/self/oom_score_adj')
    .map((line) => `{ ${line}; } 2>/dev/null`)
  return {
    execPath: SHELL,
    execArgv: ['-c', [...script, 'exec "$0" "$@"'].join('\n'), process.execPath, ...HEAP_FLAGS],
    env,
  }
}
