import { setImmediate as nextTurn } from 'node:timers/promises'
import { sql } from 'kysely'
import type { SqlBool } from 'kysely'
import { fromNow } from '../jobs/sql/dialect.ts'
import type { Database } from '../jobs/sql/dialect.ts'
import type { Attempt } from './attempt.ts'
import type { TakenDelivery } from './delivery.ts'
import type { DeliveryOutcome } from './delivery-codes.ts'

/** Of one delivery; replays may go on for ever. */
const KEPT_ATTEMPTS = 50
/** As many as fit well into one statement. */
const MAX_GROUP_LENGTH = 100

/** What becomes of a delivery: it is tried again, or has ended. */
export type DeliveryEnd = { readonly outcome: null; readonly pauseMs: number } | { readonly outcome: DeliveryOutcome }

export interface Settlement {
  readonly delivery: TakenDelivery
  readonly end: DeliveryEnd
  /** Null: nothing was sent. */
  readonly attempt: Attempt | null
}

interface Waiting {
  readonly settlement: Settlement
  readonly resolve: (isSettled: boolean) => void
  readonly reject: (error: unknown) => void
}

const COLUMNS = { id: 'text', token: 'text', outcome: 'text', pause: 'float8', failed: 'int4' } as const

/** Group commit of what attempts came to: while one group is being committed, the next one gathers. */
export class Settlements {
  readonly #database: Database
  #waiting: Waiting[] = []
  #isRunning = false

  constructor(database: Database) {
    this.#database = database
  }

  /** Says whether the delivery was still its taker's. */
  async add(settlement: Settlement): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    this.#waiting.push({ settlement, resolve, reject })
    if (!this.#isRunning) void this.#run()
    return await promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    await nextTurn()
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP_LENGTH)
      try {
        const settled = await this.#commit(group.map(({ settlement }) => settlement))
        for (const { settlement, resolve } of group) resolve(settled.has(settlement.delivery.id))
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#isRunning = false
  }

  /** Says which were still their takers'. */
  async #commit(group: readonly Settlement[]): Promise<ReadonlySet<string>> {
    const { queries, dialect } = this.#database
    const given = group.map(({ delivery: { id, token }, end }) => ({
      ...{ id, token, outcome: end.outcome },
      pause: end.outcome === null ? end.pauseMs / 1000 : null,
      failed: end.outcome === null ? 1 : 0,
    }))
    return await queries.transaction().execute(async (transaction) => {
      const { rows } = await sql<{ id: string }>`
        update webhook_deliveries
        set token = null, outcome = given.outcome, due_at = ${dialect.now} + given.pause, tries = tries + given.failed
        from ${dialect.rows(given, COLUMNS)}
        where webhook_deliveries.id = given.id and webhook_deliveries.token = given.token
        returning webhook_deliveries.id as id
      `.execute(transaction)
      const settled = new Set(rows.map(({ id }) => id))
      const own = group.filter(({ delivery }) => settled.has(delivery.id))
      await this.#note(transaction, own)
      const over = own.filter(({ end }) => end.outcome !== null).map(({ delivery }) => delivery.id)
      if (over.length > 0) {
        await transaction
          .deleteFrom('webhook_deliveries')
          .where('id', 'in', over)
          .where(sql<SqlBool>`not exists (select 1 from jobs where jobs.id = webhook_deliveries.job_id)`)
          .execute()
      }
      return settled
    })
  }

  /** Each delivery is settled once in a group: its token is gone then. */
  async #note(queries: Database['queries'], group: readonly Settlement[]): Promise<void> {
    const tried = group.flatMap(({ delivery: { id }, attempt }) => (attempt === null ? [] : [{ id, attempt }]))
    if (tried.length === 0) return
    const ids = tried.map(({ id }) => id)
    const lasts = await queries
      .selectFrom('webhook_attempts')
      .select(({ fn }) => ['delivery_id', fn.max('ordinal').as('ordinal')])
      .where('delivery_id', 'in', ids)
      .groupBy('delivery_id')
      .execute()
    const ordinals = new Map(lasts.map(({ delivery_id: id, ordinal }) => [id, ordinal]))
    const rows = tried.map(({ id, attempt: { durationMs, ...attempt } }) => ({
      ...{ delivery_id: id, ordinal: (ordinals.get(id) ?? 0) + 1, duration_ms: durationMs, ...attempt },
      at: fromNow(this.#database.dialect, -durationMs),
    }))
    await queries.insertInto('webhook_attempts').values(rows).execute()
    for (const { delivery_id: id, ordinal } of rows) {
      if (ordinal <= KEPT_ATTEMPTS) continue
      await queries
        .deleteFrom('webhook_attempts')
        .where('delivery_id', '=', id)
        .where('ordinal', '<=', ordinal - KEPT_ATTEMPTS)
        .execute()
    }
  }
}
