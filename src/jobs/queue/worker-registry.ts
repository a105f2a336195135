import { sql } from 'kysely'
import type { RawBuilder, Selectable } from 'kysely'
import type { Database } from '../sql/dialect.ts'
import { SERVICE_TIERS } from '../job.ts'
import type { ServiceTier } from '../job.ts'
import type { WorkersTable } from '../sql/schema.ts'

/** A worker that takes jobs from this database. */
export interface WorkerEntry {
  /** UUID, new at each start. */
  readonly id: string
  readonly served: ServiceTier
  readonly asked: readonly ServiceTier[]
  /** Null: any model. */
  readonly models: readonly string[] | null
  /** Jobs that it runs at the same time. */
  readonly places: number
  /** Seconds of audio per second, for each model that it has measured. */
  readonly speeds: Readonly<Record<string, number>>
}

/** One that has not been heard of for so long is gone. */
const GONE_AFTER_SECONDS = 30

/** Who is there to take jobs, on whatever machine. */
export class WorkerRegistry {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** To be repeated every few seconds. Forgets those that are gone. */
  async announce(worker: WorkerEntry): Promise<void> {
    const { queries, dialect } = this.#database
    const row = {
      served_tier: worker.served,
      asked_tiers: JSON.stringify(worker.asked),
      models: worker.models === null ? null : JSON.stringify(worker.models),
      slots: worker.places,
      speeds: JSON.stringify(worker.speeds),
      seen_at: dialect.now,
    }
    await queries
      .insertInto('workers')
      .values({ id: worker.id, ...row })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute()
    await queries.deleteFrom('workers').where('seen_at', '<', this.#oldest).execute()
  }

  async withdraw(id: string): Promise<void> {
    await this.#database.queries.deleteFrom('workers').where('id', '=', id).execute()
  }

  /** Those that are there. */
  async list(): Promise<readonly WorkerEntry[]> {
    const { queries } = this.#database
    const rows = await queries.selectFrom('workers').selectAll().where('seen_at', '>=', this.#oldest).execute()
    return rows.map(entryOf)
  }

  get #oldest(): RawBuilder<number> {
    return sql<number>`${this.#database.dialect.now} - ${GONE_AFTER_SECONDS}`
  }
}

function entryOf(row: Selectable<WorkersTable>): WorkerEntry {
  return {
    id: row.id,
    served: row.served_tier,
    asked: strings(row.asked_tiers).filter((tier) => isServiceTier(tier)),
    models: row.models === null ? null : strings(row.models),
    places: row.slots,
    speeds: Object.fromEntries(
      Object.entries(parsed(row.speeds) ?? {}).filter(
        (entry): entry is [string, number] => typeof entry[1] === 'number',
      ),
    ),
  }
}

/** Another version of the program may have written it. */
function parsed(json: string): object | null {
  const value: unknown = JSON.parse(json)
  return typeof value === 'object' ? value : null
}

function strings(json: string): readonly string[] {
  const value = parsed(json)
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

function isServiceTier(text: string): text is ServiceTier {
  return (SERVICE_TIERS as readonly string[]).includes(text)
}
