import { SCHEMA_STEPS, jsonMembers } from '../sql/schema-steps.ts'
import type { SchemaWords } from '../sql/schema-steps.ts'
import type { Migration } from './migrate.ts'

const WORDS: SchemaWords = {
  real: 'double precision',
  now: 'extract(epoch from statement_timestamp())::float8',
  // Events come and go with their jobs, and are written a second time when they get their number.
  options: ' with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)',
  eventOrder: 'id bigint generated always as identity primary key,\n    sequence bigint',
  eventOrderIndexes: `
  create sequence job_events_sequence;
  create index job_events_unnumbered on job_events (id) where sequence is null;`,
  randomHex: "replace(gen_random_uuid()::text, '-', '')",
  json: (members) => `json_build_object(${jsonMembers(members)})::text`,
  identity: 'bigint generated always as identity primary key',
  dayOf: (seconds) => `floor(${seconds} / 86400)::integer`,
  jsonPairs: (column) => `json_each_text(${column}::json)`,
  trigger: ({ name, after, on, when = 'true', run }) => `
  create function sotto_${name}() returns trigger language plpgsql as $$
  begin
    ${run};
    return null;
  end $$;
  create trigger ${name} after ${after} on ${on} for each row when (${when}) execute function sotto_${name}();`,
}

/**
 * The PostgreSQL schema's history. A step that was released is never edited, and one that a running program of the version before could
 * not live with raises `compatibleFrom`: two versions work side by side during a deploy.
 *
 * A job's row changes a handful of times within minutes and then rests: the table is vacuumed early, or claims would wade through the
 * dead versions of jobs that were claimed before.
 */
const OWN_STEPS: readonly Migration[] = [
  {
    version: 1,
    compatibleFrom: 1,
    sql: `
  create table jobs (
    sequence bigint generated always as identity primary key,
    id text not null unique,
    key_id text not null,
    model text not null,
    status text not null default 'accepted'
      check (status in ('accepted', 'pending', 'processing', 'success', 'failed', 'cancelled')),
    service_tier text not null,
    served_tier text,
    priority text not null default 'normal' check (priority in ('high', 'normal', 'low')),
    input text not null,
    payload_key text not null,
    result_key text,
    error_code text,
    error_message text,
    max_audio_seconds double precision,
    audio_seconds double precision not null default 0,
    done_seconds double precision not null default 0,
    urgent integer not null check (urgent in (0, 1)),
    queue text not null collate "C",
    lane integer not null default 0,
    virtual_start double precision not null default 0,
    rank double precision not null default 0,
    accepted_at double precision not null default (extract(epoch from statement_timestamp())::float8),
    started_at double precision,
    completed_at double precision,
    cancel_requested_at double precision,
    not_before double precision,
    start_by double precision,
    timeout_seconds double precision,
    expires_at double precision,
    idempotency_key text,
    request_hash text,
    attempt integer not null default 0,
    failures integer not null default 0,
    crashes integer not null default 0,
    lease_token text,
    lease_until double precision,
    check ((status = 'processing') = (lease_token is not null)),
    check ((lease_token is null) = (lease_until is null)),
    check ((status = 'success') = (result_key is not null)),
    check ((status = 'failed') = (error_code is not null)),
    check ((error_code is null) = (error_message is null)),
    check ((status in ('success', 'failed', 'cancelled')) = (completed_at is not null))
  ) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

  create index jobs_accepted on jobs (sequence) where status = 'accepted';
  create index jobs_pending on jobs (queue, rank, sequence) where status = 'pending';
  create index jobs_waiting on jobs (key_id, lane, rank) where status in ('accepted', 'pending');
  create index jobs_processing on jobs (lease_until) where status = 'processing';
  create index jobs_listed on jobs (key_id, sequence) where urgent = 0;
  create index jobs_payload_key on jobs (payload_key);
  create index jobs_start_by on jobs (start_by) where status in ('accepted', 'pending') and start_by is not null;
  create index jobs_expiring on jobs (expires_at) where expires_at is not null;
  create index jobs_completed on jobs (completed_at) where completed_at is not null;
  create unique index jobs_idempotency on jobs (key_id, idempotency_key) where idempotency_key is not null;

  create function sotto_keep_finished() returns trigger language plpgsql as $$
  begin
    raise exception 'a finished job keeps its status';
  end $$;
  create trigger jobs_finished_stay_finished before update of status on jobs for each row
  when (old.status in ('success', 'failed', 'cancelled') and new.status <> old.status)
  execute function sotto_keep_finished();

  create table job_windows (
    job_id text not null,
    ordinal integer not null,
    data text not null,
    primary key (job_id, ordinal)
  );

  create function sotto_forget_windows() returns trigger language plpgsql as $$
  begin
    delete from job_windows where job_id = new.id;
    return null;
  end $$;
  create trigger job_windows_go_when_it_finishes after update of status on jobs for each row
  when (new.status in ('success', 'failed', 'cancelled'))
  execute function sotto_forget_windows();

  create table audio_usage (
    key_id text not null,
    day integer not null,
    audio_seconds double precision not null,
    primary key (key_id, day)
  );

  create table workers (
    id text not null primary key,
    served_tier text not null,
    asked_tiers text not null,
    models text,
    slots integer not null,
    speeds text not null,
    seen_at double precision not null
  );

  create table garbage (payload_key text not null primary key);

  create table api_keys (
    id text not null primary key,
    name text not null,
    prefix text not null,
    hash text not null unique,
    created_at double precision not null default (extract(epoch from statement_timestamp())::float8)
  );

  create table secrets (name text not null primary key, value text not null);

  create table write_checks (
    id integer not null primary key check (id = 1),
    checked_at double precision not null
  );
  `,
  },
  {
    version: 2,
    compatibleFrom: 1,
    // The default is for the version before, which does not say the status of what it inserts.
    sql: `
  alter table jobs alter column status set default 'pending';
  update jobs set status = 'pending' where status = 'accepted';
  drop index jobs_accepted;
  drop index jobs_waiting;
  create index jobs_waiting on jobs (key_id, lane, rank) where status = 'pending';
  drop index jobs_start_by;
  create index jobs_start_by on jobs (start_by) where status = 'pending' and start_by is not null;
  `,
  },
  {
    version: 3,
    compatibleFrom: 1,
    // The triggers are for servers of the versions before as well: their submits take no recording either that is being removed.
    sql: `
  alter table jobs add column deferrals integer not null default 0;
  alter table jobs add column deferred_since double precision;
  alter table jobs add column waiting_code text;
  alter table jobs add column waiting_message text;
  alter table jobs add column payload_version text;

  alter table garbage add column due_at double precision not null default 0;
  alter table garbage add column failures integer not null default 0;
  alter table garbage add column claimed_until double precision;
  alter table garbage add column removed_at double precision;
  create index garbage_due on garbage (due_at) where removed_at is null;
  create index garbage_removed on garbage (removed_at) where removed_at is not null;

  create function sotto_keep_recording() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock_shared(hashtextextended(new.payload_key, 0));
    delete from garbage where payload_key = new.payload_key and claimed_until is null and removed_at is null;
    if exists (select 1 from garbage where payload_key = new.payload_key) then
      raise exception 'the recording is being removed';
    end if;
    return new;
  end $$;
  create trigger jobs_keep_their_recording before insert on jobs for each row
  execute function sotto_keep_recording();

  create table uploads (
    payload_key text not null primary key,
    key_id text not null,
    bytes bigint not null,
    updated_at double precision not null
  );
  create index uploads_of_key on uploads (key_id);
  create function sotto_take_upload() returns trigger language plpgsql as $$
  begin
    delete from uploads where payload_key = new.payload_key;
    return null;
  end $$;
  create trigger jobs_take_their_upload after insert on jobs for each row
  execute function sotto_take_upload();

  create table installation (
    only_row integer not null primary key check (only_row = 1),
    id text not null,
    created_at double precision not null,
    generation bigint not null default 0,
    adopts integer not null default 0 check (adopts in (0, 1))
  );
  insert into installation (only_row, id, created_at) values (1, gen_random_uuid()::text, least(
    extract(epoch from statement_timestamp())::float8,
    (select min(created_at) from api_keys),
    (select min(accepted_at) from jobs)
  ));
  `,
  },
]

export const MIGRATIONS: readonly Migration[] = [
  ...OWN_STEPS,
  ...SCHEMA_STEPS.map(({ compatibleFrom, sql }, index) => ({
    version: OWN_STEPS.length + index + 1,
    compatibleFrom,
    sql: sql(WORDS),
  })),
]
