/** One request to a server, on its pinger's clock. */
export interface PingRecord {
  readonly startedMs: number
  readonly endedMs: number
  readonly isAnswered: boolean
}

export interface PingFigures {
  readonly pings: number
  readonly longestMs: number
  /** Of the control, which shows what the machine does to any server. */
  readonly controlLongestMs: number
  /** The longest, less what the control waited at the same time. */
  readonly longestOwnMs: number
  /** Pings that were refused, cut off or answered with something else. */
  readonly unanswered: number
}

export function figuresOf(watched: readonly PingRecord[], control: readonly PingRecord[]): PingFigures {
  const own = watched.map((ping) => {
    const meanwhile = control.filter((other) => other.endedMs >= ping.startedMs && other.startedMs <= ping.endedMs)
    return durationOf(ping) - longestOf(meanwhile)
  })
  return {
    pings: watched.length,
    longestMs: longestOf(watched),
    controlLongestMs: longestOf(control),
    longestOwnMs: Math.max(0, ...own),
    unanswered: watched.filter(({ isAnswered }) => !isAnswered).length,
  }
}

function longestOf(pings: readonly PingRecord[]): number {
  return pings.reduce((longest, ping) => Math.max(longest, durationOf(ping)), 0)
}

function durationOf({ startedMs, endedMs }: PingRecord): number {
  return endedMs - startedMs
}
