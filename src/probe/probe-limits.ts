import process from 'node:process'
import { FRUGAL_MEMORY, harmlessEnvironment } from '../confinement/environment.ts'
import { limited } from '../confinement/limits.ts'
import type { NodeProgram } from '../confinement/limits.ts'

/**
 * It writes no file, and reads none but its own program. Node reserves 0.58 GB of memory before it does anything, and uses a tenth of it;
 * what FFmpeg takes for headers comes on top.
 */
const LIMITS = { dataBytes: 2 ** 30, fileBytes: 0, openFiles: 64 }
const HEAP_FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=1']

/** How a probe's process is started, for `fork`. Elsewhere than on Linux only time and the heap are bounded. */
export function probeLimits(): NodeProgram & { readonly env: NodeJS.ProcessEnv } {
  const program = limited({ execPath: process.execPath, execArgv: HEAP_FLAGS }, LIMITS)
  return { ...program, env: { ...harmlessEnvironment(), ...FRUGAL_MEMORY } }
}
