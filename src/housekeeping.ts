import type { Logger } from 'pino'
import type { Backend } from './backend.ts'
import type { Config } from './config/config.ts'
import { Garbage } from './jobs/keeping/garbage.ts'
import { GarbageCollector } from './jobs/keeping/garbage-collector.ts'
import { databaseTime, strangePayloads } from './jobs/keeping/installation.ts'
import { findOrphans } from './jobs/keeping/orphans.ts'
import { Reaper } from './jobs/life/reaper.ts'
import { Rounds } from './jobs/rounds.ts'
import { sumUpUsage } from './jobs/usage/sum-up.ts'
import { UnsubmittedUploads } from './jobs/keeping/unsubmitted-uploads.ts'

/** Expired leases are looked for so often while one lasts. */
const REAPS_PER_LEASE = 3
const INSTALLATION_INTERVAL_MS = 600_000
/** So often is the installation looked at for each search for orphans. */
const ROUNDS_PER_SEARCH = 6
/** On top of the time for which an upload URL can be used: what was uploaded so long ago will not be submitted any more. */
const ORPHAN_GRACE_MS = 86_400_000
/** How often the process that runs a job may die before the job fails: a poisonous file must not run for ever. */
export const CRASH_LIMIT = 5

/** Periodic work of every process: leases, expiry, garbage, sums of usage, orphans. Gives the callback that triggers the garbage collector. */
export function startHousekeeping(
  backend: Backend,
  { jobs: { leaseMs }, payloads: { uploadUrlTtlSeconds } }: Config,
  logger: Logger,
  stack: AsyncDisposableStack,
): GarbageCollector {
  const { database, jobs, payloads } = backend
  const onError = (error: unknown): void => logger.error({ err: error }, 'housekeeping failed; it is tried again')
  const collector = stack.use(
    new GarbageCollector({
      garbage: new Garbage(database),
      payloads,
      onError: (error, key) => {
        if (key === null) onError(error)
        else logger.warn({ err: error, key }, 'a payload could not be removed now; it is tried again later')
      },
    }),
  )
  const reaper = new Reaper(jobs, CRASH_LIMIT)
  const reaping = async (signal: AbortSignal): Promise<void> => {
    await reaper.round(signal)
    collector.ring()
    await sumUpUsage(database)
  }
  stack.use(new Rounds({ intervalMs: leaseMs / REAPS_PER_LEASE, run: reaping, onError }))
  const search = new OrphanSearch(backend, collector, uploadUrlTtlSeconds, logger)
  const first = search.look().then(() => undefined, onError)
  stack.use(new Rounds({ intervalMs: INSTALLATION_INTERVAL_MS, run: (signal) => search.run(signal), onError }))
  stack.defer(() => first)
  return collector
}

/** Searches for orphans now and then, as long as the payload store is that of the database. */
class OrphanSearch {
  readonly #backend: Backend
  readonly #collector: GarbageCollector
  readonly #olderThanMs: number
  readonly #logger: Logger
  #rounds = 0
  #said: string | null = null

  constructor(backend: Backend, collector: GarbageCollector, uploadUrlTtlSeconds: number, logger: Logger) {
    this.#backend = backend
    this.#collector = collector
    this.#olderThanMs = uploadUrlTtlSeconds * 1000 + ORPHAN_GRACE_MS
    this.#logger = logger
  }

  async run(signal: AbortSignal): Promise<void> {
    const belongs = await this.look()
    this.#rounds += 1
    if (this.#rounds % ROUNDS_PER_SEARCH !== 0) return
    const { database, jobs, payloads } = this.#backend
    const before = new Date((await databaseTime(database)).getTime() - this.#olderThanMs)
    // Before the rest, whose failure must not keep a key's quota used up.
    await new UnsubmittedUploads(database).forgetBefore(before)
    const unfinished = await payloads.uploads.removeOlderThan(before)
    const garbage = new Garbage(database)
    const orphans = belongs ? await findOrphans({ jobs, payloads, garbage, before }, signal) : 0
    this.#collector.ring()
    const removed = unfinished + orphans
    if (removed > 0) this.#logger.info({ removed }, 'removing uploads and results that belong to no job')
  }

  /** Whether the payload store belongs to the database. Said when it changes, and each hour. */
  async look(): Promise<boolean> {
    const why = await strangePayloads(this.#backend.database, this.#backend.payloads)
    const isDue = why !== this.#said || this.#rounds % ROUNDS_PER_SEARCH === 0
    if (why !== null && isDue) this.#logger.error({ reason: why }, 'the jobs database and the payload store do not fit')
    if (why === null && this.#said !== null) this.#logger.info('the jobs database and the payload store fit again')
    this.#said = why
    return why === null
  }
}
