import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { RawBuilder, Selectable, SqlBool } from 'kysely'
import { sequencesOf } from '../jobs/events/event-log.ts'
import { fromNow } from '../jobs/sql/dialect.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import type { WebhookDeliveriesTable } from '../jobs/sql/schema.ts'
import type { Attempt } from './attempt.ts'
import { byTime, takenDelivery } from './delivery.ts'
import type { DeliveryOutcome } from './delivery-codes.ts'
import type { TakenDelivery } from './delivery.ts'
import { LONGEST_PAUSE_MS } from './retry.ts'
import { Settlements } from './settlements.ts'
import type { DeliveryEnd } from './settlements.ts'

/** Longer than any attempt takes, and short enough that what a killed process was telling is soon told by another one. */
const LEASE_MS = 30_000
/** As many as a look finds: more are found by the next one. */
const QUEUES_PER_LOOK = 256
/** Of one key among them, so that one that names thousands of hosts hides nobody else's. */
const QUEUES_PER_KEY = 16
const STRAY_AGE_SECONDS = 3600

/** A queue that has something to be told now. */
export interface DueQueue {
  readonly queue: string
  readonly keyId: string
}

/** So many deliveries of a queue at most. */
export interface Wanted {
  readonly queue: string
  readonly limit: number
}

/**
 * The deliveries that are still to be made, shared by all processes on a database. One that is taken has a token and becomes due again when
 * its lease ends; whoever is late can't settle it any more. So each is made at least once, and by one at a time unless that one stalls.
 */
export class Outbox {
  readonly #database: Database
  readonly #settlements: Settlements

  constructor(database: Database) {
    this.#database = database
    this.#settlements = new Settlements(database)
  }

  /**
   * The queues with something to be told now, those first whose has waited longest. Each is found behind the last one in the index (a loose
   * index scan, as of the jobs' queues), so that thousands of deliveries that wait for one dead receiver cost no more than one.
   */
  async due(): Promise<readonly DueQueue[]> {
    const { rows } = await sql<{ queue: string; key_id: string }>`
      with recursive names(queue) as (
        select min(queue) from webhook_deliveries where due_at is not null
        union all
        select (select min(queue) from webhook_deliveries where due_at is not null and queue > names.queue)
        from names where names.queue is not null
      ),
      heads(queue, key_id, due_at) as (
        select queue,
          (select key_id from webhook_deliveries where due_at is not null and queue = names.queue limit 1),
          (select min(due_at) from webhook_deliveries where due_at is not null and queue = names.queue)
        from names where queue is not null
      ),
      due(queue, key_id, due_at, place) as (
        select queue, key_id, due_at, row_number() over (partition by key_id order by due_at)
        from heads where ${this.#isDue()}
      )
      select queue, key_id from due where place <= ${QUEUES_PER_KEY} order by due_at limit ${QUEUES_PER_LOOK}
    `.execute(this.#database.queries)
    return rows.map(({ queue, key_id: keyId }) => ({ queue, keyId }))
  }

  /** Takes what is due of queues in one commit, of each the oldest first, to be settled or given back. */
  async take(wanted: readonly Wanted[]): Promise<readonly TakenDelivery[]> {
    const { queries } = this.#database
    const token = randomUUID()
    const rows: Selectable<WebhookDeliveriesTable>[] = []
    await queries.transaction().execute(async (transaction) => {
      for (const one of wanted) rows.push(...(await this.#takeOf(transaction, one, token)))
    })
    const sequences = await sequencesOf(
      this.#database,
      rows.map((row) => row.job_id),
    )
    return rows.map((row) => takenDelivery(row, token, sequences)).toSorted(byTime)
  }

  /**
   * Writes what an attempt came to, unless another process has taken the delivery over. What has ended of a job that is gone goes with it.
   * Says whether it was this one's to write.
   * @param attempt null: nothing was sent
   */
  async settle(delivery: TakenDelivery, end: DeliveryEnd, attempt: Attempt | null): Promise<boolean> {
    return await this.#settlements.add({ delivery, end, attempt })
  }

  /** Gives back what was taken and not told. */
  async untake({ id, token }: TakenDelivery): Promise<void> {
    const { queries, dialect } = this.#database
    await queries
      .updateTable('webhook_deliveries')
      .set({ token: null, due_at: dialect.now })
      .where('id', '=', id)
      .where('token', '=', token)
      .execute()
  }

  /** Ends what is still to be told of a job, whose receiver wants no more, and has nothing more written for it. */
  async silence(jobId: string): Promise<void> {
    const { queries } = this.#database
    await queries.updateTable('jobs').set({ webhook: null }).where('id', '=', jobId).execute()
    await queries
      .updateTable('webhook_deliveries')
      .set({ token: null, due_at: null, outcome: 'disabled' satisfies DeliveryOutcome })
      .where('job_id', '=', jobId)
      .where('due_at', 'is not', null)
      .execute()
  }

  /** At the start of the only process on a database: what the one before it was telling when it ended is due. */
  async recover(): Promise<void> {
    const { queries, dialect } = this.#database
    await queries
      .updateTable('webhook_deliveries')
      .set({ token: null, due_at: dialect.now })
      .where('token', 'is not', null)
      .execute()
  }

  /** Forgets deliveries that ended in the moment in which their job was removed, each of which left them to the other. */
  async forgetStray(): Promise<void> {
    const { queries, dialect } = this.#database
    await queries
      .deleteFrom('webhook_deliveries')
      .where('due_at', 'is', null)
      .where('created_at', '<', sql<number>`${dialect.now} - ${STRAY_AGE_SECONDS}`)
      .where(sql<SqlBool>`not exists (select 1 from jobs where jobs.id = webhook_deliveries.job_id)`)
      .execute()
  }

  async #takeOf(
    queries: Database['queries'],
    { queue, limit }: Wanted,
    token: string,
  ): Promise<readonly Selectable<WebhookDeliveriesTable>[]> {
    const { dialect } = this.#database
    const { rows } = await sql<Selectable<WebhookDeliveriesTable>>`
      update webhook_deliveries set token = ${token}, due_at = ${fromNow(dialect, LEASE_MS)}
      where id in (
        select id from webhook_deliveries where due_at is not null and queue = ${queue} and ${this.#isDue()}
        order by due_at limit ${limit} ${dialect.skipLockedDeliveries}
      )
      returning *
    `.execute(queries)
    return rows
  }

  /** `due_at` has come, or is further away than it is ever set: of a clock that was set back since. */
  #isDue(): RawBuilder<SqlBool> {
    const { now } = this.#database.dialect
    return sql<SqlBool>`(due_at <= ${now} or due_at > ${now} + ${LONGEST_PAUSE_MS / 1000 + 1})`
  }
}
