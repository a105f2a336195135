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
  /** 128 random bits in hexadecimal digits. */
  readonly randomHex: string
  /** A JSON object as text. */
  readonly json: (members: Readonly<Record<string, string>>) => string
  /** The definition of a column of numbers, each row its own. */
  readonly identity: string
  /** The day of a time in seconds, in days since 1970. */
  readonly dayOf: (seconds: string) => string
  /** What a JSON object of strings holds, as a table of `key` and `value`. */
  readonly jsonPairs: (column: string) => string
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

/** Apart from the resume points, which go when their job finishes: what was said stays readable, also of a job that failed. */
const jobSegments: SchemaStep = {
  compatibleFrom: 1,
  sql: ({ options, trigger }) => `
  create table job_segments (
    job_id text not null,
    ordinal integer not null,
    first_segment integer not null,
    segments text not null,
    primary key (job_id, ordinal)
  )${options};
  ${trigger({
    name: 'job_segments_go_with_it',
    after: 'delete',
    on: 'jobs',
    run: 'delete from job_segments where job_id = old.id',
  })}
  `,
}

/**
 * What users call jobs by, how long each of them is kept, what they are listed by, and what is left of them when they are removed: what they
 * took, written in the commit by which they finish.
 */
const jobLists: SchemaStep = {
  compatibleFrom: 1,
  sql: ({ real, options, identity, dayOf, jsonPairs, trigger }) => {
    const took = (row: string): string => `${row}key_id, ${dayOf(`${row}completed_at`)}, ${row}model,
      coalesce(${row}error_code, ${row}status), ${row}done_seconds, coalesce(${row}completed_at - ${row}started_at, 0)`
    const keepPairs = `insert into job_metadata (job_id, key_id, name, value)
      select new.id, new.key_id, pairs.key, pairs.value from ${jsonPairs('new.metadata')} as pairs`
    return `
  alter table jobs add column name text;
  alter table jobs add column folded_name text;
  alter table jobs add column metadata text;
  alter table jobs add column remove_after_seconds ${real};
  create index jobs_removed_after on jobs ((completed_at + remove_after_seconds))
    where completed_at is not null and remove_after_seconds is not null;
  drop index jobs_completed;
  create index jobs_retained on jobs (completed_at)
    where completed_at is not null and expires_at is null and remove_after_seconds is null;

  drop index jobs_listed;
  create index jobs_listed on jobs (key_id, id, model, folded_name) where urgent = 0;
  create index jobs_by_status on jobs (key_id, status, id, model, folded_name) where urgent = 0;

  alter table uploads add column name text;
  alter table uploads add column folded_name text;

  create table job_metadata (
    job_id text not null,
    key_id text not null,
    name text not null,
    value text not null,
    primary key (job_id, name)
  )${options};
  create index job_metadata_listed on job_metadata (key_id, name, value, job_id);
  ${trigger({
    name: 'job_metadata_comes',
    after: 'insert',
    on: 'jobs',
    when: 'new.metadata is not null and new.urgent = 0',
    run: keepPairs,
  })}
  ${trigger({
    name: 'job_metadata_changes',
    after: 'update of metadata',
    on: 'jobs',
    when: 'new.urgent = 0',
    run: `delete from job_metadata where job_id = new.id; ${keepPairs}`,
  })}
  ${trigger({
    name: 'job_metadata_goes_with_it',
    after: 'delete',
    on: 'jobs',
    when: 'old.metadata is not null',
    run: 'delete from job_metadata where job_id = old.id',
  })}

  create table usage_entries (
    sequence ${identity},
    key_id text not null,
    day integer not null,
    model text not null,
    outcome text not null,
    audio_seconds ${real} not null,
    run_seconds ${real} not null
  )${options};
  create table usage_days (
    key_id text not null,
    day integer not null,
    model text not null,
    outcome text not null,
    jobs integer not null,
    audio_seconds ${real} not null,
    run_seconds ${real} not null,
    primary key (key_id, day, model, outcome)
  )${options};
  ${trigger({
    name: 'usage_is_counted',
    after: 'update of status',
    on: 'jobs',
    when: "new.status in ('success', 'failed', 'cancelled') and old.status <> new.status",
    run: `insert into usage_entries (key_id, day, model, outcome, audio_seconds, run_seconds) values (${took('new.')})`,
  })}
  insert into usage_entries (key_id, day, model, outcome, audio_seconds, run_seconds)
  select ${took('')} from jobs where status in ('success', 'failed', 'cancelled');
  `
  },
}

/**
 * An outbox: what a webhook is to be told is written by the statement of the transition itself, so that no crash is between the two. It
 * holds all that is told of the job, which may be gone when a receiver is there again; a delivery that is still to be made outlives its job.
 * The triggers are on the jobs, whose rows have all that is told: a job without a webhook costs a condition. Servers of the version before write
 * deliveries as well, and submit without webhooks.
 */
const webhooks: SchemaStep = {
  compatibleFrom: 1,
  sql: ({ real, now, options, randomHex, json, trigger }) => {
    const job = {
      model: 'new.model',
      name: 'new.name',
      metadata: 'new.metadata',
      audioSeconds: 'new.audio_seconds',
      attempt: 'new.attempt',
      acceptedAt: 'new.accepted_at',
      startedAt: 'new.started_at',
      completedAt: 'new.completed_at',
      code: 'new.error_code',
      message: 'new.error_message',
      traceparent: 'new.traceparent',
    }
    const isAsked = (type: string): string =>
      `new.webhook is not null and ' ' || new.webhook_events || ' ' like '% ' || ${type} || ' %'`
    const tell = (type: string, at: string): string =>
      `insert into webhook_deliveries (id, key_id, job_id, type, at, data, queue, endpoint, due_at, created_at)
      values ('evt_' || ${randomHex}, new.key_id, new.id, ${type}, ${at}, ${json(job)}, new.webhook_queue, new.webhook, ${at}, ${at})`
    return `
  alter table jobs add column webhook text;
  alter table jobs add column webhook_events text;
  alter table jobs add column webhook_queue text;

  create table webhook_secrets (
    value text not null primary key,
    key_id text not null,
    created_at ${real} not null,
    valid_until ${real}
  )${options};
  create unique index webhook_secrets_current on webhook_secrets (key_id) where valid_until is null;
  create index webhook_secrets_of_key on webhook_secrets (key_id);

  create table webhook_defaults (
    key_id text not null primary key,
    endpoint text not null,
    events text not null,
    updated_at ${real} not null,
    disabled_at ${real}
  )${options};

  create table webhook_deliveries (
    id text not null primary key,
    key_id text not null,
    job_id text not null,
    type text not null,
    at ${real} not null,
    data text not null,
    queue text not null,
    endpoint text not null,
    due_at ${real},
    token text,
    tries integer not null default 0,
    outcome text,
    created_at ${real} not null
  )${options};
  create index webhook_deliveries_due on webhook_deliveries (queue, due_at) where due_at is not null;
  create index webhook_deliveries_of_job on webhook_deliveries (job_id, created_at);

  create table webhook_attempts (
    delivery_id text not null,
    ordinal integer not null,
    at ${real} not null,
    duration_ms integer not null,
    status integer,
    code text,
    detail text,
    answer text,
    primary key (delivery_id, ordinal)
  )${options};

  ${trigger({
    name: 'webhook_deliveries_of_submit',
    after: 'insert',
    on: 'jobs',
    when: isAsked("'job.accepted'"),
    run: tell("'job.accepted'", 'new.accepted_at'),
  })}
  ${trigger({
    name: 'webhook_deliveries_of_transition',
    after: 'update of status',
    on: 'jobs',
    when: `old.status <> new.status and ${isAsked("'job.' || new.status")}`,
    run: tell("'job.' || new.status", now),
  })}
  ${trigger({
    name: 'webhook_deliveries_go_with_their_job',
    after: 'delete',
    on: 'jobs',
    run: 'delete from webhook_deliveries where job_id = old.id and due_at is null',
  })}
  ${trigger({
    name: 'webhooks_go_with_their_key',
    after: 'delete',
    on: 'api_keys',
    // It keeps its id, and its jobs, when the variable's secret changes.
    when: "old.id <> 'environment'",
    run: 'delete from webhook_secrets where key_id = old.id; delete from webhook_defaults where key_id = old.id',
  })}
  ${trigger({
    name: 'webhook_attempts_go_with_their_delivery',
    after: 'delete',
    on: 'webhook_deliveries',
    run: 'delete from webhook_attempts where delivery_id = old.id',
  })}
  `
  },
}

/**
 * What a key may do, how long, and how much. Keys that are there do what they did before; a server of the version before knows no other
 * ones, until it is replaced.
 */
const keyRules: SchemaStep = {
  compatibleFrom: 1,
  sql: ({ real }) => `
  alter table api_keys add column scopes text not null default '["transcribe","read"]';
  alter table api_keys add column models text;
  alter table api_keys add column expires_at ${real};
  alter table api_keys add column last_used_at ${real};
  alter table api_keys add column queued_jobs integer;
  alter table api_keys add column running_jobs integer;
  alter table api_keys add column audio_seconds_per_day integer;
  alter table api_keys add column requests_per_minute integer;
  create index api_keys_with_running_jobs on api_keys (id) where running_jobs > 0;
  `,
}

/**
 * Which trace a job belongs to, as its submit said, for whoever runs it or tells of it. A server of the version before submits without it.
 */
const traceContext: SchemaStep = {
  compatibleFrom: 1,
  sql: () => `
  alter table jobs add column traceparent text;
  `,
}

/** Jobs that have one are in queues which no worker of the version before takes from. */
const sourceUrls: SchemaStep = {
  compatibleFrom: 1,
  sql: () => 'alter table jobs add column source_url text;',
}

export const SCHEMA_STEPS: readonly SchemaStep[] = [
  readyJobs,
  jobEvents,
  jobSegments,
  jobLists,
  keyRules,
  traceContext,
  webhooks,
  sourceUrls,
]
