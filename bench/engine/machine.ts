import { readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { PROJECT } from '../../test/support/server.ts'
import { loadConfig } from '../../src/config/config.ts'

/** Where and with what a run was made; what a number is worth depends on it. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly node: string
  readonly onnxruntime: string
  readonly threads: number
  /** Of our weights, as the environment asks for it. */
  readonly precision: string
}

/** Both sides of each comparison get as many. */
export const THREADS = 2

export async function machine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    onnxruntime: await packageVersion(join(PROJECT, 'node_modules/onnxruntime-node')),
    threads: THREADS,
    precision: loadConfig(process.env).engine.precision,
  }
}

export async function packageVersion(folder: string): Promise<string> {
  return (JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string }).version
}

/** Largest resident size that the process has had so far; null where the system does not tell. */
export async function peakMb(pid: number | undefined): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(status)?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) / 1024
}

/**
 * Begins to watch who uses the cores.
 * @returns ends it, with the percentage of all cores that others took meanwhile: engines whose threads wait for each other in loops
 * lose far more by it than others, so that only what was measured on a quiet machine counts. Null where the system does not tell.
 */
export async function watchOthers(): Promise<() => Promise<number | null>> {
  const before = await ticks()
  return async () => {
    const after = await ticks()
    if (before === null || after === null) return null
    const busy = after.busy - before.busy - (after.ours - before.ours)
    return Math.max(0, (100 * busy) / (after.all - before.all))
  }
}

/** Since the start: of all cores, of them those that worked (or that the host kept), and by this process and its past children. */
async function ticks(): Promise<{ readonly all: number; readonly busy: number; readonly ours: number } | null> {
  const system = await readFile('/proc/stat', 'utf8').catch(() => null)
  const own = await readFile('/proc/self/stat', 'utf8').catch(() => null)
  if (system === null || own === null) return null
  const [user = 0, nice = 0, kernel = 0, idle = 0, wait = 0, ...interrupts] = numbers(/^cpu +(.*)/.exec(system)?.[1])
  // Guests are counted as user time already.
  const busy = [user, nice, kernel, ...interrupts.slice(0, 3)].reduce((sum, each) => sum + each, 0)
  const [, ...fields] = own.split(') ')
  const ours = numbers(fields.join(') '))
    .slice(11, 15)
    .reduce((sum, each) => sum + each, 0)
  return { all: busy + idle + wait, busy, ours }
}

function numbers(text = ''): readonly number[] {
  return text.trim().split(/\s+/).map(Number)
}
