import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { sql } from 'kysely'
import type { Selectable } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import type { InstallationTable } from '../sql/schema.ts'

/** What of a payload store is needed here. */
export interface MarkedPayloads {
  /** Undefined when there is no such object. */
  size(key: string): Promise<number | undefined>
  read(key: string): Promise<Readable>
  write(key: string, body: Readable): Promise<unknown>
  list(folder: string): AsyncIterable<{ readonly key: string; readonly modifiedAt: Date }>
}

interface Marker {
  readonly installation: string
  readonly generation: number
}

export const MARKER_KEY = 'installation/marker.json'
/** The clocks of the database and of the payload store may differ so much. */
const CLOCKS_MS = 60_000
const WHAT_TO_DO =
  'Nothing that no job knows is removed from it until this is settled. Restore the database and the payloads that belong together; ' +
  'or, if what this database does not know may be removed, run: sotto migrate --adopt-payloads'

/**
 * Whether the payload store belongs to this database as it is: what the database does not know is an orphan only then. Both carry the
 * installation's id and a number that grows, in the database first; so a lost database is told from a new one, and one that was restored from
 * an older backup by its generation number, which is behind the payload store's. Call it every few minutes; that makes it grow.
 * @returns null: it does; else why not, and what to do
 */
export async function strangePayloads(database: Database, payloads: MarkedPayloads): Promise<string | null> {
  // The marker first: what it says was in the database before.
  const marker = await readMarker(payloads)
  const row = await readRow(database)
  const why = row.adopts === 1 ? null : await difference(row, marker, payloads)
  if (why !== null) return `${why} ${WHAT_TO_DO}`
  await writeMarker(payloads, { installation: row.id, generation: await grow(database) })
  return null
}

/** From its next look on, the server takes the payload store for this database's, whatever lies there. */
export async function adoptPayloads({ queries }: Database): Promise<void> {
  await queries.updateTable('installation').set({ adopts: 1 }).execute()
}

/** What the database's clock says. */
export async function databaseTime({ queries, dialect }: Database): Promise<Date> {
  const { rows } = await sql<{ now: number }>`select ${dialect.now} as now`.execute(queries)
  return new Date((rows[0]?.now ?? 0) * 1000)
}

async function difference(
  row: Selectable<InstallationTable>,
  marker: Marker | 'damaged' | undefined,
  payloads: MarkedPayloads,
): Promise<string | null> {
  if (marker === 'damaged') return `The payload store's object ${MARKER_KEY} can't be read.`
  if (marker === undefined) return await unmarked(row, payloads)
  if (marker.installation !== row.id) {
    return `The payload store belongs to installation ${marker.installation}, and the jobs database is that of ${row.id}: one of them was lost or exchanged.`
  }
  if (marker.generation > row.generation) {
    return 'The jobs database is older than the payload store: it was restored from a backup, and does not know what came after that.'
  }
  return null
}

async function unmarked(row: Selectable<InstallationTable>, payloads: MarkedPayloads): Promise<string | null> {
  const createdMs = row.created_at * 1000 - CLOCKS_MS
  for (const folder of ['uploads', 'results']) {
    for await (const { modifiedAt } of payloads.list(folder)) {
      if (row.generation > 0) return 'The payload store is not the one that this jobs database has used so far.'
      if (modifiedAt.getTime() < createdMs) {
        return 'The payload store holds what is older than the jobs database, which is new: the one before it was lost, or is another one.'
      }
    }
  }
  return null
}

async function readMarker(payloads: MarkedPayloads): Promise<Marker | 'damaged' | undefined> {
  if ((await payloads.size(MARKER_KEY)) === undefined) return undefined
  const json = await text(await payloads.read(MARKER_KEY))
  let marker: unknown
  try {
    marker = JSON.parse(json)
  } catch {
    return 'damaged'
  }
  return isMarker(marker) ? marker : 'damaged'
}

function isMarker(value: unknown): value is Marker {
  return (
    typeof value === 'object' &&
    value !== null &&
    'installation' in value &&
    typeof value.installation === 'string' &&
    'generation' in value &&
    typeof value.generation === 'number'
  )
}

async function writeMarker(payloads: MarkedPayloads, marker: Marker): Promise<void> {
  await payloads.write(MARKER_KEY, Readable.from([Buffer.from(`${JSON.stringify(marker)}\n`)]))
}

/** The migration that made the table put it there. */
async function readRow({ queries }: Database): Promise<Selectable<InstallationTable>> {
  return await queries.selectFrom('installation').selectAll().executeTakeFirstOrThrow()
}

async function grow({ queries }: Database): Promise<number> {
  const { generation } = await queries
    .updateTable('installation')
    .set({ generation: sql<number>`generation + 1`, adopts: 0 })
    .returning('generation')
    .executeTakeFirstOrThrow()
  return generation
}
