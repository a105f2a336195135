import { SCHEMA_STEPS, jsonMembers } from '../sql/schema-steps.ts'
import type { SchemaWords } from '../sql/schema-steps.ts'

const WORDS: SchemaWords = {
  real: 'real',
  now: "unixepoch('subsec')",
  options: ' strict',
  // One writer at a time: in the order of insertion is in the order of commits.
  eventOrder: 'sequence integer primary key autoincrement',
  eventOrderIndexes: '',
  randomHex: 'lower(hex(randomblob(16)))',
  json: (members) => `json_object(${jsonMembers(members)})`,
  identity: 'integer primary key autoincrement',
  dayOf: (seconds) => `cast(${seconds} / 86400 as integer)`,
  jsonPairs: (column) => `json_each(${column})`,
  trigger: ({ name, after, on, when = 'true', run }) =>
    `create trigger ${name} after ${after} on ${on} when ${when} begin ${run}; end;`,
}

/**
 * The SQLite schema's history: step n takes `PRAGMA user_version` from n to n + 1. A step that was released is never edited.
 *
 * `autoincrement` keeps the order of acceptance when the newest row is removed. The partial index `jobs_ready` holds what may run now, in
 * the order of claiming, so a claim costs the same with a million jobs that have finished or wait for their pause to end.
 */
export const MIGRATIONS: readonly string[] = [
  `
  create table jobs (
    sequence integer primary key autoincrement,
    id text not null unique,
    key_id text not null,
    model text not null,
    status text not null default 'accepted'
      check (status in ('accepted', 'pending', 'processing', 'success', 'failed', 'cancelled')),
    service_tier text not null,
    served_tier text,
    input text not null,
    payload_key text not null,
    result_key text,
    error_code text,
    error_message text,
    max_audio_seconds real,
    urgent integer not null check (urgent in (0, 1)),
    accepted_at real not null default (unixepoch('subsec')),
    started_at real,
    completed_at real,
    cancel_requested_at real,
    attempt integer not null default 0,
    failures integer not null default 0,
    crashes integer not null default 0,
    lease_token text,
    lease_until real,
    check ((status = 'processing') = (lease_token is not null)),
    check ((lease_token is null) = (lease_until is null)),
    check ((status = 'success') = (result_key is not null)),
    check ((status = 'failed') = (error_code is not null)),
    check ((error_code is null) = (error_message is null)),
    check ((status in ('success', 'failed', 'cancelled')) = (completed_at is not null))
  ) strict;

  create index jobs_accepted on jobs (sequence) where status = 'accepted';
  create index jobs_pending on jobs (service_tier, urgent desc, sequence) where status = 'pending';
  create index jobs_processing on jobs (lease_until) where status = 'processing';
  create index jobs_listed on jobs (key_id, sequence) where urgent = 0;
  create index jobs_payload_key on jobs (payload_key);

  create trigger jobs_finished_stay_finished before update of status on jobs
  when old.status in ('success', 'failed', 'cancelled') and new.status <> old.status
  begin
    select raise(abort, 'a finished job keeps its status');
  end;

  create table api_keys (
    id text not null primary key,
    name text not null,
    prefix text not null,
    hash text not null unique,
    created_at real not null default (unixepoch('subsec'))
  ) strict;

  create table write_checks (
    id integer not null primary key check (id = 1),
    checked_at real not null
  ) strict;
  `,
  `
  alter table jobs add column priority text not null default 'normal' check (priority in ('high', 'normal', 'low'));
  alter table jobs add column audio_seconds real not null default 0;
  alter table jobs add column done_seconds real not null default 0;
  alter table jobs add column queue text not null default '';
  alter table jobs add column lane integer not null default 0;
  alter table jobs add column virtual_start real not null default 0;
  alter table jobs add column rank real not null default 0;
  alter table jobs add column not_before real;
  alter table jobs add column start_by real;
  alter table jobs add column timeout_seconds real;
  alter table jobs add column expires_at real;
  alter table jobs add column idempotency_key text;
  alter table jobs add column request_hash text;
  update jobs set queue = service_tier || '/ordinary/' || model, rank = case urgent when 1 then 0 else accepted_at end;

  drop index jobs_pending;
  create index jobs_pending on jobs (queue, rank, sequence) where status = 'pending';
  create index jobs_waiting on jobs (key_id, lane, rank) where status in ('accepted', 'pending');
  create index jobs_start_by on jobs (start_by) where status in ('accepted', 'pending') and start_by is not null;
  create index jobs_expiring on jobs (expires_at) where expires_at is not null;
  create index jobs_completed on jobs (completed_at) where completed_at is not null;
  create unique index jobs_idempotency on jobs (key_id, idempotency_key) where idempotency_key is not null;

  create table job_windows (
    job_id text not null,
    ordinal integer not null,
    data text not null,
    primary key (job_id, ordinal)
  ) strict, without rowid;

  create trigger job_windows_go_when_it_finishes after update of status on jobs
  when new.status in ('success', 'failed', 'cancelled')
  begin
    delete from job_windows where job_id = new.id;
  end;

  create table audio_usage (
    key_id text not null,
    day integer not null,
    audio_seconds real not null,
    primary key (key_id, day)
  ) strict, without rowid;

  create table workers (
    id text not null primary key,
    served_tier text not null,
    asked_tiers text not null,
    models text,
    slots integer not null,
    speeds text not null,
    seen_at real not null
  ) strict, without rowid;

  create table garbage (payload_key text not null primary key) strict, without rowid;

  create table secrets (name text not null primary key, value text not null) strict, without rowid;
  `,
  `
  update jobs set status = 'pending' where status = 'accepted';
  drop index jobs_accepted;
  drop index jobs_waiting;
  create index jobs_waiting on jobs (key_id, lane, rank) where status = 'pending';
  drop index jobs_start_by;
  create index jobs_start_by on jobs (start_by) where status = 'pending' and start_by is not null;
  `,
  `
  alter table jobs add column deferrals integer not null default 0;
  alter table jobs add column deferred_since real;
  alter table jobs add column waiting_code text;
  alter table jobs add column waiting_message text;
  alter table jobs add column payload_version text;

  alter table garbage add column due_at real not null default 0;
  alter table garbage add column failures integer not null default 0;
  alter table garbage add column claimed_until real;
  alter table garbage add column removed_at real;
  create index garbage_due on garbage (due_at) where removed_at is null;
  create index garbage_removed on garbage (removed_at) where removed_at is not null;

  create trigger jobs_keep_their_recording before insert on jobs
  begin
    delete from garbage where payload_key = new.payload_key and claimed_until is null and removed_at is null;
    select raise(abort, 'the recording is being removed')
    where exists (select 1 from garbage where payload_key = new.payload_key);
  end;

  create table uploads (
    payload_key text not null primary key,
    key_id text not null,
    bytes integer not null,
    updated_at real not null
  ) strict, without rowid;
  create index uploads_of_key on uploads (key_id);
  create trigger jobs_take_their_upload after insert on jobs
  begin
    delete from uploads where payload_key = new.payload_key;
  end;

  create table installation (
    only_row integer not null primary key check (only_row = 1),
    id text not null,
    created_at real not null,
    generation integer not null default 0,
    adopts integer not null default 0 check (adopts in (0, 1))
  ) strict;
  insert into installation (only_row, id, created_at) values (1, lower(hex(randomblob(16))), min(
    unixepoch('subsec'),
    coalesce((select min(created_at) from api_keys), unixepoch('subsec')),
    coalesce((select min(accepted_at) from jobs), unixepoch('subsec'))
  ));
  `,
  ...SCHEMA_STEPS.map((step) => step.sql(WORDS)),
]
