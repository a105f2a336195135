import { sql } from 'kysely'
import type { Logger } from 'pino'
import type { Database } from '../dialect.ts'
import { PostgresEvents } from './notifications.ts'
import type { MissedEvents } from './notifications.ts'

/** A job that finished longer ago was told of by an earlier poll. */
const FINISHED_SECONDS = 10
const MOST = 1000

/** The events of all processes on a database; how they come is logged. */
export async function openPostgresEvents(
  url: string,
  database: Database,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<PostgresEvents> {
  return await PostgresEvents.start({
    url,
    signal,
    database: database.queries,
    poll: () => missedEvents(database),
    onDelivery: (delivery, cause) => {
      if (delivery === 'notified') logger.info('events of other processes come by LISTEN')
      else
        logger.warn(
          { err: cause },
          'events of other processes do not come by LISTEN: the database is asked each second',
        )
    },
    onError: (error) => logger.warn({ err: error }, 'events could not be sent or asked for'),
  })
}

async function missedEvents({ queries, dialect }: Database): Promise<MissedEvents> {
  const cancelling = await sql<{ id: string }>`
    select id from jobs where status = 'processing' and cancel_requested_at is not null limit ${MOST}
  `.execute(queries)
  const finished = await sql<{ id: string }>`
    select id from jobs where completed_at is not null and completed_at > ${dialect.now} - ${FINISHED_SECONDS}
    order by completed_at desc limit ${MOST}
  `.execute(queries)
  return { cancelRequested: cancelling.rows.map(({ id }) => id), finished: finished.rows.map(({ id }) => id) }
}
