import process from 'node:process'
import { FRUGAL_MEMORY, harmlessEnvironment } from '../../confinement/environment.ts'

/**
 * Where the kernel leaves huge pages to programs: a step, which reads far more than the processor's tables of small pages cover, takes
 * a tenth less.
 */
const HUGE_PAGES = 'glibc.malloc.hugetlb=1'

/** The environment of an engine process. What it adds is for glibc; others take no notice. */
export function engineEnvironment(from: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const { GLIBC_TUNABLES: given, ...rest } = harmlessEnvironment(from)
  // What is said last counts: what was set for this program.
  return { ...rest, ...FRUGAL_MEMORY, GLIBC_TUNABLES: given === undefined ? HUGE_PAGES : `${HUGE_PAGES}:${given}` }
}
