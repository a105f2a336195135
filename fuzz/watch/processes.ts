import { readFile } from 'node:fs/promises'
import { childrenOf } from '../../test/support/process-tree.ts'

const PAGE_BYTES = 4096

/** What of a process lies in memory; undefined where there is no /proc, or no such process. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const statm = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => undefined)
  return statm === undefined ? undefined : Number(statm.split(' ')[1]) * PAGE_BYTES
}

/** Engine processes below a server, whatever they are started by; other processes that it starts are none. */
export async function enginesBelow(pid: number): Promise<readonly number[]> {
  const found: number[] = []
  for (const child of await childrenOf(pid)) {
    const below = await enginesBelow(child)
    if (below.length > 0) found.push(...below)
    else if (await isEngine(child)) found.push(child)
  }
  return found
}

async function isEngine(pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return commandLine.includes('engine-main')
}
