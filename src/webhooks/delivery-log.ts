import type { Selectable } from 'kysely'
import type { Database } from '../jobs/sql/dialect.ts'
import { dateOf } from '../jobs/sql/job-row.ts'
import type { WebhookAttemptsTable, WebhookDeliveriesTable } from '../jobs/sql/schema.ts'
import { byTime } from './delivery.ts'
import { isDropped } from './delivery-codes.ts'
import type { DroppedCode } from './delivery-codes.ts'
import { targetOf } from './endpoint.ts'

/** A job that is taken up again and again has a delivery for each time. */
const MAX_DELIVERIES = 100

const DELIVERY_ID = /^evt_[\da-f]{32}$/

export interface LoggedAttempt {
  readonly at: Date
  readonly durationMs: number
  readonly status: number | null
  readonly code: string | null
  readonly detail: string | null
  readonly answer: string | null
}

export interface LoggedDelivery {
  /** The `webhook-id`. */
  readonly id: string
  readonly jobId: string
  readonly type: string
  /** When it happened. */
  readonly at: Date
  readonly status: 'pending' | 'delivered' | 'failed' | 'dropped'
  /** Null unless the status is `dropped`. */
  readonly droppedBecause: DroppedCode | null
  /** Null: it is the key's default. */
  readonly url: string | null
  /** Null: it has ended. */
  readonly nextAttemptAt: Date | null
  readonly attempts: readonly LoggedAttempt[]
}

/** What became of what was to be told of jobs. */
export class DeliveryLog {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** The newest first. */
  async ofJob(jobId: string): Promise<readonly LoggedDelivery[]> {
    const { queries } = this.#database
    const rows = await queries
      .selectFrom('webhook_deliveries')
      .selectAll()
      .where('job_id', '=', jobId)
      .orderBy('created_at', 'desc')
      .limit(MAX_DELIVERIES)
      .execute()
    return (await this.#withAttempts(rows)).toSorted((one, other) => byTime(other, one))
  }

  async find(id: string): Promise<LoggedDelivery | undefined> {
    const { queries } = this.#database
    const rows = await queries.selectFrom('webhook_deliveries').selectAll().where('id', '=', id).execute()
    return (await this.#withAttempts(rows))[0]
  }

  /** How many are still to be made, of all keys. */
  async pending(): Promise<number> {
    const row = await this.#database.queries
      .selectFrom('webhook_deliveries')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('due_at', 'is not', null)
      .executeTakeFirst()
    return row?.count ?? 0
  }

  /**
   * Has it delivered once more, from the first attempt on, with the same id; one that waits for its next attempt is tried now.
   * False: there is none of this job.
   */
  async replay(jobId: string, id: string): Promise<boolean> {
    // Not every text may be asked of every database.
    if (!DELIVERY_ID.test(id)) return false
    const { queries, dialect } = this.#database
    const own = await queries
      .selectFrom('webhook_deliveries')
      .select('id')
      .where('id', '=', id)
      .where('job_id', '=', jobId)
      .executeTakeFirst()
    if (own === undefined) return false
    await queries
      .updateTable('webhook_deliveries')
      .set({ due_at: dialect.now, tries: 0, outcome: null })
      .where('id', '=', id)
      // It is being told right now.
      .where('token', 'is', null)
      .execute()
    return true
  }

  async #withAttempts(rows: readonly Selectable<WebhookDeliveriesTable>[]): Promise<readonly LoggedDelivery[]> {
    if (rows.length === 0) return []
    const attempts = await this.#database.queries
      .selectFrom('webhook_attempts')
      .selectAll()
      .where(
        'delivery_id',
        'in',
        rows.map(({ id }) => id),
      )
      .orderBy('delivery_id')
      .orderBy('ordinal')
      .execute()
    return rows.map((row) =>
      loggedOf(
        row,
        attempts.filter(({ delivery_id: id }) => id === row.id),
      ),
    )
  }
}

function loggedOf(
  row: Selectable<WebhookDeliveriesTable>,
  attempts: readonly Selectable<WebhookAttemptsTable>[],
): LoggedDelivery {
  const { id, job_id: jobId, type, outcome } = row
  const dropped = outcome !== null && isDropped(outcome) ? outcome : null
  return {
    ...{ id, jobId, type },
    at: dateOf(row.at),
    status:
      outcome === null ? 'pending' : outcome === 'delivered' ? 'delivered' : dropped === null ? 'failed' : 'dropped',
    droppedBecause: dropped,
    url: targetOf(row.endpoint)?.endpoint?.url ?? null,
    nextAttemptAt: row.due_at === null ? null : dateOf(row.due_at),
    attempts: attempts.map(({ at, duration_ms: durationMs, status, code, detail, answer }) => ({
      ...{ at: dateOf(at), durationMs, status, code, detail, answer },
    })),
  }
}
