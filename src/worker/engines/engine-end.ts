import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import process from 'node:process'

/** What shells and bubblewrap add to the number of the signal that ended their program. */
const SIGNALLED = 128

/** A sandbox has started its engine within milliseconds. */
const KILL_PAUSE_MS = 20
const KILL_TRIES = 250

/**
 * Kills an engine's process. In a sandbox that is the engine itself, whose end is also the end of what holds it. The other way round it
 * would have no parent that takes note of its end; one that has just been begun would wait for that parent for ever.
 */
export function endEngine(child: ChildProcess, isInSandbox: boolean, tries = KILL_TRIES): void {
  if (child.exitCode !== null || child.signalCode !== null) return
  const inside = isInSandbox ? childrenOf(child) : []
  for (const pid of inside) killIfThere(pid)
  if (!isInSandbox || tries === 0) child.kill('SIGKILL')
  else if (inside.length === 0) setTimeout(() => endEngine(child, isInSandbox, tries - 1), KILL_PAUSE_MS)
}

/** How it ended. What a sandbox gives as its own exit code was the signal that ended the engine. */
export function exitOf(code: number | null): string {
  const signal = Object.entries(constants.signals).find(([, number]) => code === SIGNALLED + number)
  return signal?.[0] ?? `exit code ${code}`
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended this very moment.
  }
}

function childrenOf({ pid }: ChildProcess): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return children.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
