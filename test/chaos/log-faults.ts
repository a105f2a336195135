import type { Arrival } from '../support/server.ts'
import type { Occurrence } from './disturbance.ts'

/** What each code in a log may come from; anything else that is logged as an error is a fault. */
const CAUSES: Readonly<Record<string, RegExp>> = {
  'store.unavailable': /full disk|PostgreSQL/,
  'payload.unavailable': /full disk|S3/,
  'payload.interrupted': /S3|kill -9/,
  'engine.crashed': /engine process|full disk/,
  'engine.disk_full': /full disk/,
}
/** Connections that stall are given up by their limits, and engines that were killed are missed when they are asked for the next time. */
const AFTER_MS = 60_000

interface LogLine {
  readonly level: number
  readonly msg?: string
  readonly err?: { readonly code?: string; readonly type?: string; readonly message?: string; readonly stack?: string }
  readonly code?: string
}

/** Errors in a log that nothing explains that went wrong at that time, and whatever is no log at all but a stack trace. */
export function unexpectedErrors(log: readonly Arrival[], occurrences: readonly Occurrence[]): readonly string[] {
  return log.filter((line) => isUnexpected(line, occurrences)).map(({ text }) => text)
}

function isUnexpected({ text, atMs }: Arrival, occurrences: readonly Occurrence[]): boolean {
  if (!text.startsWith('{')) return /^\s+at .+:\d+:\d+/.test(text)
  const { level, err, code } = JSON.parse(text) as LogLine
  if (level < 50) return false
  const cause = CAUSES[err?.code ?? code ?? '']
  if (cause === undefined) return true
  return !occurrences.some(
    ({ name, startedMs, endedMs }) => cause.test(name) && startedMs <= atMs && atMs <= endedMs + AFTER_MS,
  )
}
