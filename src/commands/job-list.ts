import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { openDatabase } from '../backend.ts'
import { loadConfig } from '../config/config.ts'
import { SERVER_SETTINGS } from '../config/server.ts'
import { JOB_STATUSES } from '../jobs/job.ts'
import type { Job, JobStatus } from '../jobs/job.ts'
import type { Metadata } from '../jobs/job-labels.ts'
import type { JobFilter, JobStore } from '../jobs/job-store.ts'
import { parseCursor } from '../jobs/reading/cursor.ts'
import { SqlJobStore } from '../jobs/sql/sql-store.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'

const DEFAULT_LIMIT = 100
const PAGE_LENGTH = 200

/** As commander gives them. */
interface ListFlags {
  readonly status?: readonly JobStatus[]
  readonly model?: readonly string[]
  readonly name?: string
  readonly metadata?: Metadata
  readonly since?: Date
  readonly until?: Date
  readonly key?: string
  readonly oldest?: boolean
  readonly limit: number
  readonly json?: boolean
}

/** Lists jobs of all keys, beside a server that runs. */
export function addJobListCommand(jobs: Command, context: CommandContext): void {
  addSettings(jobs.command('list').description('List jobs of all keys, the newest first.'), [SERVER_SETTINGS.dataDir])
    .addOption(new Option('--status <status...>', 'only those with one of these').choices(JOB_STATUSES))
    .option('--model <model...>', 'only those of one of these')
    .option('--name <text>', 'only those with this in their name, in whichever case')
    .option('--metadata <key=value...>', 'only those with all of these pairs', withPair)
    .option('--since <time>', 'only those accepted then or later: a time, a date, or 30m, 12h or 2d ago', timeOf)
    .option('--until <time>', 'only those accepted before then', timeOf)
    .option('--key <id>', 'only those of this API key')
    .option('--oldest', 'the oldest first')
    .option('--limit <number>', 'so many at most', countOf, DEFAULT_LIMIT)
    .option('--json', 'as JSON lines')
    .action(async (flags: ListFlags, command: Command) => {
      const config = loadConfig(context.environment, givenFlags(command.opts()))
      await using database = await openDatabase(config, context.signal)
      for await (const job of jobsOf(new SqlJobStore(database), flags, context.signal)) {
        // Without the input, which may quote what was said, and without a webhook or a URL, which may hold a secret.
        const told = { ...job, input: undefined, sourceUrl: undefined, webhook: undefined }
        console.log(flags.json === true ? JSON.stringify(told) : lineOf(job))
      }
    })
}

/** Page by page, so that the first ones are there at once. */
async function* jobsOf(store: JobStore, flags: ListFlags, signal: AbortSignal): AsyncGenerator<Job> {
  const { key = null, oldest, limit } = flags
  const filter = filterOf(flags)
  let cursor = ''
  for (let left = limit; left > 0;) {
    signal.throwIfAborted()
    const at = parseCursor(cursor)
    const page = await store.list(key, {
      ...filter,
      ...{ order: oldest === true ? 'oldest' : 'newest', limit: Math.min(left, PAGE_LENGTH) },
      ...(at === undefined ? {} : { cursor: at }),
    })
    yield* page.jobs
    if (page.next === null) return
    cursor = page.next
    left -= page.jobs.length
  }
}

function filterOf({ status, model, name, metadata, since, until }: ListFlags): JobFilter {
  return {
    ...(status === undefined ? {} : { statuses: status }),
    ...(model === undefined ? {} : { models: model }),
    ...(name === undefined ? {} : { text: name }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(since === undefined ? {} : { from: since }),
    ...(until === undefined ? {} : { to: until }),
  }
}

function withPair(text: string, before: Metadata = {}): Metadata {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It takes pairs such as customer=7.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

const AGO = /^(\d{1,6})([mhd])$/
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** @throws InvalidArgumentError */
export function timeOf(text: string): Date {
  const [, count, unit = ''] = AGO.exec(text) ?? []
  const time = count === undefined ? new Date(text) : new Date(Date.now() - Number(count) * (UNIT_MS[unit] ?? 0))
  if (!Number.isNaN(time.getTime()) && (count !== undefined || /^\d{4}-\d\d-\d\d/.test(text))) return time
  throw new InvalidArgumentError('It takes a time such as 2026-01-31T12:00:00Z or 2026-01-31, or 30m, 12h or 2d.')
}

/** @throws InvalidArgumentError */
export function countOf(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && Number.isSafeInteger(count)) return count
  throw new InvalidArgumentError('It takes a number from 1 on.')
}

function lineOf({ id, status, model, name, audioSeconds, acceptedAt, error }: Job): string {
  const seconds = `${Math.round(audioSeconds)} s`
  const parts = [id, padded(status), acceptedAt.toISOString(), seconds.padStart(8), model]
  return [
    ...parts,
    ...(name === null ? [] : [name]),
    ...(error === null ? [] : [`${error.code}: ${error.message}`]),
  ].join('  ')
}

function padded(status: JobStatus): string {
  return status.padEnd(Math.max(...JOB_STATUSES.map(({ length }) => length)))
}
