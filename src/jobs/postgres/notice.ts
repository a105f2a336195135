/** What is to be told to other processes on the same database. */
export interface News {
  readonly claimable: boolean
  /** Ids of jobs. */
  readonly cancelRequested: readonly string[]
  readonly finished: readonly string[]
}

/** What arrives by one NOTIFY: news, or a probe of the way here. */
export interface Notice extends News {
  /** Who sent it: every listener hears itself too. */
  readonly from: string
  readonly probe: string | undefined
}

/** PostgreSQL takes less than 8,000 bytes in one NOTIFY. */
const PAYLOAD_BYTES = 7_900

/** The payloads of the NOTIFYs that tell these news, as few as possible: some 200 ids fit into one. */
export function payloadsOf(from: string, news: News): readonly string[] {
  const bodies = [{ from, claimable: news.claimable, cancelRequested: [] as string[], finished: [] as string[] }]
  let bytes = Buffer.byteLength(JSON.stringify(bodies[0]))
  for (const name of ['cancelRequested', 'finished'] as const) {
    for (const id of news[name]) {
      const idBytes = Buffer.byteLength(JSON.stringify(id)) + 1
      if (bytes + idBytes > PAYLOAD_BYTES) {
        bodies.push({ from, claimable: false, cancelRequested: [], finished: [] })
        bytes = Buffer.byteLength(JSON.stringify(bodies.at(-1)))
      }
      bodies.at(-1)?.[name].push(id)
      bytes += idBytes
    }
  }
  return bodies.map((body) => JSON.stringify(body))
}

export function probePayload(from: string, probe: string): string {
  return JSON.stringify({ from, probe })
}

/** Undefined when it is none: whoever may connect to the database may say anything on the channel. */
export function noticeOf(payload: string): Notice | undefined {
  let value: unknown
  try {
    value = JSON.parse(payload)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('from' in value) || typeof value.from !== 'string')
    return undefined
  const fields: Readonly<Record<string, unknown>> = { ...value }
  return {
    from: value.from,
    claimable: fields['claimable'] === true,
    cancelRequested: idsIn(fields['cancelRequested']),
    finished: idsIn(fields['finished']),
    probe: typeof fields['probe'] === 'string' ? fields['probe'] : undefined,
  }
}

function idsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((id: unknown) => typeof id === 'string') : []
}
