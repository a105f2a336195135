import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import type { Kysely, RawBuilder, Selectable, SqlBool, UpdateObject } from 'kysely'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { PassageSchema } from '../../contract/transcript.ts'
import type { Passage, ToldSegment } from '../../contract/transcript.ts'
import { JobStoreError } from '../errors.ts'
import type { Database } from '../sql/dialect.ts'
import type { JobSegmentsTable, Schema } from '../sql/schema.ts'

/** A passage in its place among a job's windows. */
export interface StoredPassage extends Passage {
  readonly ordinal: number
}

/** Of what no window has told: so that an event that tells of it stays small. */
const MAX_SEGMENTS = 100
const MAX_CHARACTERS = 32_768

const SEGMENTS = Compile(Type.Index(PassageSchema, ['segments']))

/** Puts what a window says in the place of what was told from that window on. */
export async function keepPassage(
  queries: Kysely<Schema>,
  jobId: string,
  ordinal: number,
  passage: Passage | null,
): Promise<void> {
  await queries.deleteFrom('job_segments').where('job_id', '=', jobId).where('ordinal', '>=', ordinal).execute()
  if (passage === null) return
  const { firstSegment, segments } = passage
  const row = { job_id: jobId, ordinal, first_segment: firstSegment, segments: JSON.stringify(segments) }
  await queries.insertInto('job_segments').values(row).execute()
}

/** All that was told of a job's transcript, in order. */
export async function passages(
  { queries }: Pick<Database, 'queries'>,
  jobId: string,
): Promise<readonly StoredPassage[]> {
  const rows = await queries
    .selectFrom('job_segments')
    .selectAll()
    .where('job_id', '=', jobId)
    .orderBy('ordinal')
    .execute()
  return rows.map(passageIn)
}

/** @throws JobStoreError `store.damaged` */
export function passageIn(row: Selectable<JobSegmentsTable>): StoredPassage {
  const { job_id: jobId, ordinal, first_segment: firstSegment } = row
  const segments: unknown = JSON.parse(row.segments)
  if (SEGMENTS.Check(segments)) return { ordinal, firstSegment, segments }
  throw new JobStoreError(
    'store.damaged',
    `What is stored of the text of job ${jobId} is damaged: restore the database from a backup.`,
  )
}

/**
 * What is to be stored so that all passages together are the transcript: its end where no window told it, as with a transcriber that has no
 * windows; and from the first difference on where windows told otherwise, as when other weights went on with the job.
 * @param windows that are kept, some of them perhaps without a passage
 */
export function untold(
  stored: readonly StoredPassage[],
  segments: readonly ToldSegment[],
  windows: number,
): readonly StoredPassage[] {
  const gap = stored.findIndex(({ firstSegment }, index) => firstSegment !== endOf(stored[index - 1]))
  const whole = gap === -1 ? stored : stored.slice(0, gap)
  const wrong = whole.findIndex(
    (passage) => !isDeepStrictEqual(passage.segments, segments.slice(passage.firstSegment, endOf(passage))),
  )
  const right = wrong === -1 ? whole : whole.slice(0, wrong)
  const told = endOf(right.at(-1))
  const isAllRight = right.length === stored.length
  if (isAllRight && told === segments.length) return []
  const behind = (right.at(-1)?.ordinal ?? -1) + 1
  const ordinal = isAllRight ? Math.max(behind, windows) : behind
  let firstSegment = told
  return divided(segments.slice(told)).map((part, index) => {
    const passage = { ordinal: ordinal + index, firstSegment, segments: [...part] }
    firstSegment += part.length
    return passage
  })
}

/**
 * Settles a job whose transcript has passages that no window told, in one commit: the passages, an event for each, and then the end. Says
 * whether `held` selects the job; else nothing is written.
 */
export async function settleWithPassages(
  { queries, dialect }: Database,
  held: RawBuilder<SqlBool>,
  rest: readonly StoredPassage[],
  end: UpdateObject<Schema, 'jobs'>,
): Promise<boolean> {
  return await queries.transaction().execute(async (transaction) => {
    const job = await transaction
      .updateTable('jobs')
      .set({ done_seconds: sql<number>`audio_seconds` })
      .where(held)
      .returning(['id', 'key_id', 'audio_seconds'])
      .executeTakeFirst()
    if (job === undefined) return false
    const { id, key_id: keyId, audio_seconds: audioSeconds } = job
    for (const passage of rest) {
      await keepPassage(transaction, id, passage.ordinal, passage)
      const until = passage === rest.at(-1) ? audioSeconds : (passage.segments.at(-1)?.end ?? 0)
      const data = { windows: passage.ordinal + 1, doneSeconds: Math.min(until, audioSeconds), audioSeconds }
      await sql`
        insert into job_events (job_id, key_id, kind, data, at)
        values (${id}, ${keyId}, 'window', ${JSON.stringify(data)}, ${dialect.now})
      `.execute(transaction)
    }
    await transaction.updateTable('jobs').set(end).where(held).execute()
    return true
  })
}

/** How many segments there are up to the end of a passage. */
function endOf(passage: Passage | undefined): number {
  return passage === undefined ? 0 : passage.firstSegment + passage.segments.length
}

/** At least one part, be it empty. */
function divided(segments: readonly ToldSegment[]): readonly (readonly ToldSegment[])[] {
  const parts: ToldSegment[][] = [[]]
  let characters = 0
  for (const segment of segments) {
    const { length } = JSON.stringify(segment)
    const last = parts.at(-1) ?? []
    if (last.length > 0 && (last.length === MAX_SEGMENTS || characters + length > MAX_CHARACTERS)) {
      parts.push([segment])
      characters = length
    } else {
      last.push(segment)
      characters += length
    }
  }
  return parts
}
