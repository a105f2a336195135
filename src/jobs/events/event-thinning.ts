import Type from 'typebox'
import { Compile } from 'typebox/compile'
import type { Database } from '../sql/dialect.ts'
import { numberEvents } from './event-order.ts'

/** Of one job. */
const MAX_EVENTS_PER_JOB = 10_000
/** A job is looked at once in so many windows. */
const WINDOWS_PER_THINNING = 500
/** Windows that are left of too many, so that it takes a while until there are too many again. */
const KEPT_WINDOWS = 5000
/** The last ones are left as they are. */
const NEWEST_WINDOWS = 1000
/** Batch size: no statement may take long. */
const EVENTS_PER_STATEMENT = 500

export interface WindowEvent {
  readonly sequence: number
  readonly doneSeconds: number
}

const DATA = Compile(Type.Object({ doneSeconds: Type.Number() }))

/**
 * Removes window events of a recording that is days long, none of a transition. To be called when a window was kept.
 * @param ordinal the window's place among the job's
 */
export async function thinEvents(database: Database, jobId: string, ordinal: number): Promise<void> {
  if ((ordinal + 1) % WINDOWS_PER_THINNING !== 0) return
  await numberEvents(database)
  const { queries } = database
  const rows = await queries
    .selectFrom('job_events')
    .select(['sequence', 'kind', 'data'])
    .where('job_id', '=', jobId)
    .orderBy('sequence')
    .execute()
  if (rows.length <= MAX_EVENTS_PER_JOB - WINDOWS_PER_THINNING) return
  // One before a transition stays: whoever goes on behind that finds out from it what was told.
  const windows = rows.filter(({ kind }, index) => kind === 'window' && (rows[index + 1]?.kind ?? kind) === kind)
  const gone = superfluous(windows.map(({ sequence, data }) => ({ sequence, doneSeconds: doneSecondsIn(data) })))
  for (let start = 0; start < gone.length; start += EVENTS_PER_STATEMENT) {
    const sequences = gone.slice(start, start + EVENTS_PER_STATEMENT)
    await queries.deleteFrom('job_events').where('sequence', 'in', sequences).where('job_id', '=', jobId).execute()
  }
}

/** Of windows in their order, those between the newest and what keeps the rest in even steps of the recording. */
export function superfluous(
  windows: readonly WindowEvent[],
  { kept, newest }: { readonly kept: number; readonly newest: number } = { kept: KEPT_WINDOWS, newest: NEWEST_WINDOWS },
): readonly number[] {
  const older = windows.slice(0, -newest)
  const stepSeconds = Math.max(...older.map(({ doneSeconds }) => doneSeconds)) / (kept - newest)
  let last = -1
  return older.flatMap(({ sequence, doneSeconds }) => {
    const step = Math.min(Math.floor(doneSeconds / stepSeconds), kept - newest - 1)
    if (step <= last) return [sequence]
    last = step
    return []
  })
}

function doneSecondsIn(data: string): number {
  const members: unknown = JSON.parse(data)
  return DATA.Check(members) ? members.doneSeconds : 0
}
