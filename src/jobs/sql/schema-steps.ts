/**
 * The schema's history from the step on that both databases have in common: a step is written once, in the few words that differ. What was
 * released before lies in `sqlite/` and `postgres/`, since a step that was released is never edited.
 */
export interface SchemaStep {
  /** As in `postgres/migrate.ts`: the oldest program that works with the schema after this step. */
  readonly compatibleFrom: number
  readonly sql: (words: SchemaWords) => string
}

/** Where the databases' words differ. */
export interface SchemaWords {
  readonly real: 'real' | 'double precision'
  /** Seconds since 1970. */
  readonly now: string
  /** What ends a table's definition. */
  readonly options: string
  /** The columns of `job_events` that say its order, which `event-order.ts` explains. */
  readonly eventOrder: string
  /** What else that takes. */
  readonly eventOrderIndexes: string
  /** A JSON object as text. */
  readonly json: (members: Readonly<Record<string, string>>) => string
  /** A statement that runs after each row's change, and sees it as `new` and `old`. */
  readonly trigger: (trigger: SchemaTrigger) => string
}

export interface SchemaTrigger {
  readonly name: string
  readonly after: 'insert' | 'delete' | `update of ${string}`
  readonly on: string
  readonly when?: string
  readonly run: string
}

/** `'name', value, …`, as both databases' functions for JSON objects take it. */
export function jsonMembers(members: Readonly<Record<string, string>>): string {
  return Object.entries(members)
    .map(([name, value]) => `'${name}', ${value}`)
    .join(', ')
}

/**
 * What may run now is kept apart from what waits for its time, so that a claim meets neither the one nor jobs of keys at their limit. A
 * worker of the version before sorts what waits of a queue for each claim, until it is replaced.
 */
const readyJobs: SchemaStep = {
  compatibleFrom: 1,
  sql: ({ real }) => `
  alter table jobs add column ready_at ${real};
  drop index jobs_pending;
  create index jobs_ready on jobs (queue, rank, sequence) where status = 'pending' and not_before is null;
  create index jobs_ready_by_key on jobs (queue, key_id, rank, sequence) where status = 'pending' and not_before is null;
  create index jobs_paused on jobs (not_before) where status = 'pending' and not_before is not null;
  `,
}

/**
 * Events are written by triggers, in the statement of the transition itself: none can be forgotten, one that rolls back leaves none, no
 * transition takes another round trip, and servers of the version before write them as well during a deploy. Jobs that finished before
 * this step have no events; those that had not get their first one here, while the triggers' lock keeps all other writers out.
 */
const jobEvents: SchemaStep = {
  compatibleFrom: 1,
  sql: ({ real, now, options, eventOrder, eventOrderIndexes, json, trigger }) => {
    const insert = (kind: string, members: Readonly<Record<string, string>>, at = now): string =>
      `insert into job_events (job_id, key_id, kind, data, at) values (new.id, new.key_id, ${kind}, ${json(members)}, ${at})`
    const accepted = { model: 'model', serviceTier: 'service_tier', audioSeconds: 'audio_seconds' }
    const ofNew = Object.fromEntries(Object.entries(accepted).map(([name, column]) => [name, `new.${column}`]))
    const window = { windows: 'new.ordinal + 1', doneSeconds: 'done_seconds', audioSeconds: 'audio_seconds' }
    const isGivenBack = "old.status = 'processing' and new.status = 'pending'"
    const isFinished = "new.status in ('success', 'failed', 'cancelled') and old.status <> new.status"
    return `
  alter table jobs add column claimed_by text;

  create table job_events (
    ${eventOrder},
    job_id text not null,
    key_id text not null,
    kind text not null,
    data text not null,
    at ${real} not null
  )${options};
  create index job_events_of_job on job_events (job_id, sequence);
  create index job_events_of_key on job_events (key_id, sequence);
  ${eventOrderIndexes}

  ${trigger({
    name: 'job_events_accepted',
    after: 'insert',
    on: 'jobs',
    run: insert("'accepted'", ofNew, 'new.accepted_at'),
  })}
  ${trigger({
    name: 'job_events_claimed',
    after: 'update of status',
    on: 'jobs',
    when: "old.status = 'pending' and new.status = 'processing'",
    run: insert("'claimed'", { attempt: 'new.attempt', servedTier: 'new.served_tier', worker: 'new.claimed_by' }),
  })}
  ${trigger({
    name: 'job_events_window',
    after: 'insert',
    on: 'job_windows',
    run: `insert into job_events (job_id, key_id, kind, data, at)
      select id, key_id, 'window', ${json(window)}, ${now} from jobs where id = new.job_id`,
  })}
  ${trigger({
    name: 'job_events_released',
    after: 'update of status',
    on: 'jobs',
    when: `${isGivenBack} and new.waiting_code is null`,
    run: insert("'released'", { notBefore: 'new.not_before' }),
  })}
  ${trigger({
    name: 'job_events_kept_waiting',
    after: 'update of status',
    on: 'jobs',
    when: `${isGivenBack} and new.waiting_code is not null`,
    run: insert("case when new.deferrals > old.deferrals then 'deferred' else 'retried' end", {
      code: 'new.waiting_code',
      notBefore: 'new.not_before',
    }),
  })}
  ${trigger({
    name: 'job_events_cancel_requested',
    after: 'update of cancel_requested_at',
    on: 'jobs',
    when: "old.cancel_requested_at is null and new.cancel_requested_at is not null and new.status = 'processing'",
    run: insert("'cancel_requested'", {}),
  })}
  ${trigger({
    name: 'job_events_finished',
    after: 'update of status',
    on: 'jobs',
    when: isFinished,
    run: insert("'finished'", { status: 'new.status', code: 'new.error_code' }),
  })}
  ${trigger({
    name: 'job_events_go_with_it',
    after: 'delete',
    on: 'jobs',
    run: 'delete from job_events where job_id = old.id',
  })}

  insert into job_events (job_id, key_id, kind, data, at)
  select id, key_id, 'accepted', ${json(accepted)}, accepted_at from jobs
  where status in ('pending', 'processing') order by sequence;
  `
  },
}

/** Jobs that have one are in queues which no worker of the version before takes from. */
const sourceUrls: SchemaStep = {
  compatibleFrom: 1,
  sql: () => 'alter table jobs add column source_url text;',
}

export const SCHEMA_STEPS: readonly SchemaStep[] = [readyJobs, jobEvents, sourceUrls]
