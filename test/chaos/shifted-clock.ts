import { readFileSync } from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import process from 'node:process'
import type { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'

/**
 * A clock that jumps, for a process that is started with `clockEnvironment`: its dates, and what SQLite takes for now, are off by as many
 * milliseconds as the file says. Timers are not, as with any real clock that is set.
 */
const FILE = 'SOTTO_CHAOS_CLOCK'
const CHECK_INTERVAL_MS = 50

/** What a process is started with whose clock is to follow this file. */
export function clockEnvironment(file: string): Readonly<Record<string, string>> {
  return { [FILE]: file, NODE_OPTIONS: `--import=${pathToFileURL(import.meta.filename).href}` }
}

const file = process.env[FILE]
if (file !== undefined) shiftClock(file)

function shiftClock(path: string): void {
  let offsetMs = 0
  const look = (): void => {
    // Half-written, or not there yet: the clock stays as it is.
    const read = Number.parseInt(readOrEmpty(path), 10)
    if (!Number.isNaN(read)) offsetMs = read
  }
  look()
  setInterval(look, CHECK_INTERVAL_MS).unref()

  const RealDate = Date
  class ShiftedDate extends RealDate {
    constructor(...given: readonly unknown[]) {
      if (given.length === 0) super(RealDate.now() + offsetMs)
      else super(...(given as [number]))
    }
    static override now(): number {
      return RealDate.now() + offsetMs
    }
  }
  globalThis.Date = ShiftedDate as DateConstructor

  const sqlite = createRequire(import.meta.url)('node:sqlite') as {
    DatabaseSync: typeof DatabaseSync
  }
  sqlite.DatabaseSync = class extends sqlite.DatabaseSync {
    constructor(...given: ConstructorParameters<typeof DatabaseSync>) {
      super(...given)
      // In the place of SQLite's own, in statements and in defaults of columns.
      this.function('unixepoch', { varargs: true }, () => ShiftedDate.now() / 1000)
    }
  }
  syncBuiltinESMExports()
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
