/**
 * The SQLite schema's history: step n takes `PRAGMA user_version` from n to n + 1. A step that was released is never edited.
 *
 * `autoincrement` keeps the order of acceptance when the newest row is removed. The partial index holds what waits, in the
 * order of claiming, so a claim costs the same with a million finished jobs.
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
  create table job_windows (
    job_id text not null,
    ordinal integer not null check (ordinal >= 0),
    data text not null,
    primary key (job_id, ordinal)
  ) strict, without rowid;

  create trigger job_windows_go_with_the_end after update of status on jobs
  when new.status in ('success', 'failed', 'cancelled')
  begin
    delete from job_windows where job_id = new.id;
  end;

  create trigger job_windows_go_with_the_row after delete on jobs
  begin
    delete from job_windows where job_id = old.id;
  end;
  `,
]
