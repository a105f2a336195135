import { once } from 'node:events'
import { fork } from 'node:child_process'
import { join } from 'node:path'
import autocannon from 'autocannon'

/** One figure, and what it is held against. */
export interface ServiceRow {
  readonly what: string
  /** The database or store, or how the load is made. */
  readonly on: string
  readonly ours: number
  /** Of the thing that can't be done faster here; null where only the figure itself has a goal. */
  readonly ceiling: number | null
  readonly ratio: number | null
  readonly unit: string
  readonly goal: string
}

/** What the ratio is of: more is better (`rate`), or less (`time`), which then is ours through the ceiling's. */
export function row(given: Omit<ServiceRow, 'ratio'>): ServiceRow {
  return { ...given, ratio: given.ceiling === null ? null : given.ours / given.ceiling }
}

/** The value below which this share of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

/** A program of this folder in a process of its own, which says its URL when it listens. */
export async function startChild(
  name: string,
  ...args: readonly string[]
): Promise<{ readonly url: string } & AsyncDisposable> {
  const child = fork(join(import.meta.dirname, name), args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [url] = (await once(child, 'message')) as [string]
  const stop = async (): Promise<void> => {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  return { url, [Symbol.asyncDispose]: stop }
}

export interface Load {
  readonly url: string
  /** What each connection asks for in turn; else the URL alone. */
  readonly paths?: readonly string[]
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly connections?: number
}

const ROUNDS = 4
const ROUND_SECONDS = 2

/**
 * Answers with 2xx a second of each load, whose connections ask again as soon as they were answered. They take turns, so that
 * a machine that is slower for a while is so for all of them.
 */
export async function answersPerSecond<Loads extends readonly Load[]>(
  ...loads: Loads
): Promise<{ [Index in keyof Loads]: number }> {
  const answers = loads.map(() => 0)
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, load] of loads.entries()) {
      const count = await answersOf(load)
      // The first round is to warm up.
      if (round > 0) answers[index] = (answers[index] ?? 0) + count / (ROUNDS * ROUND_SECONDS)
    }
  }
  return answers as { [Index in keyof Loads]: number }
}

async function answersOf({ url, paths = [], method = 'GET', headers, body, connections = 64 }: Load): Promise<number> {
  const load = { url, method, connections, ...(headers && { headers }), ...(body !== undefined && { body }) }
  const requests = paths.map((path) => ({ path }))
  const result = await autocannon({ ...load, ...(paths.length > 0 && { requests }), duration: ROUND_SECONDS })
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${url}: ${result.non2xx} answers were no 2xx, ${result.errors} failed`)
  }
  return result.requests.total
}
