import { readFile } from 'node:fs/promises'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { PROJECT } from '../../test/support/server.ts'

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
  /** Of the minute before: a busy machine's seconds are worth less than their ratios. */
  readonly loadAverage: number
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
    precision: process.env.SOTTO_PRECISION ?? 'default',
    loadAverage: loadavg()[0] ?? 0,
  }
}

export async function packageVersion(folder: string): Promise<string> {
  return (JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string }).version
}

/** Largest resident size that the process has had so far; null where the system does not tell. */
export async function peakMb(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(status)?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) / 1024
}
