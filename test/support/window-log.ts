import { setTimeout as delay } from 'node:timers/promises'
import type { Server } from './server.ts'

const POLL_MS = 10
const MAX_WAIT_MS = 120_000

/** Ordinals of a job's windows, as a server was told of them by its engine; it has to log at `debug`. */
export function windowsOf({ output }: Server, job: string): readonly number[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.includes('"window finished"') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as { readonly job: string; readonly window: number })
    .flatMap(({ job: of, window }) => (of === job ? [window] : []))
}

/** Waits until so many are finished; not for ever. */
export async function untilWindows(server: Server, job: string, count: number): Promise<void> {
  const signal = AbortSignal.timeout(MAX_WAIT_MS)
  while (windowsOf(server, job).length < count) await delay(POLL_MS, undefined, { signal })
}
