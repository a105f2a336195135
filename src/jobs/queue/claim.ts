import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { alternatives, choose } from './choice.ts'
import type { Candidate, Front, Line } from './choice.ts'
import type { Database } from '../sql/dialect.ts'
import { fromNow } from '../sql/dialect.ts'
import type { Expired } from '../life/expiry.ts'
import { jobOf } from '../sql/job-row.ts'
import { look } from './look.ts'
import type { Look } from './look.ts'
import { IS_READY } from './queues.ts'
import { refresh } from './ready.ts'
import { Room } from './room.ts'
import type { RunningLimits } from './running-limits.ts'
import type { JobRow } from '../sql/schema.ts'
import type { ClaimOptions, ClaimedJob } from '../job-store.ts'

/** Jobs of each queue that are looked at beyond those that there are places for, since another claimer may be taking some of them. */
const SPARE = 8
/** Jobs that are taken in one statement. */
const MAX_CLAIMED_JOBS = 500

/**
 * Takes the next jobs that there is room for: looks at what is foremost in each queue, chooses, and takes what was chosen in one UPDATE that
 * passes over rows which others have locked (`SKIP LOCKED`). Those are replaced by what comes next, until all places are taken or nothing
 * fits. No row is locked that is not taken, and both statements read as much with a million jobs waiting as with ten.
 *
 * Rejected, with what was measured:
 * - the best queue first, then a lock within it, in one UPDATE: of 160 claims by eight claimers, with a job there for each, 43 came back empty;
 * - a lock on the first job of each queue, of which one is then taken: the others' claims pass over all that is locked for a moment;
 * - `not_before`, and keys at their limit, as filters on one index: an empty claim behind 50,000 such jobs took 18.8 ms instead of 0.9
 *   (PostgreSQL), and 17 ms of the event loop (SQLite);
 * - each queue read key by key, always: 56 ms with 1000 keys in 12 queues, where the first entries alone take 0.5 (SQLite);
 * - running jobs counted in the claim, without a lock: eight claimers passed a limit of one in 6 of 20 rounds, by up to seven. A lock for each
 *   key would have to be taken before it is known whose jobs are chosen, and in one order; one for all claims is held for two statements.
 */
export async function claim(
  database: Database,
  options: ClaimOptions,
  limits: RunningLimits,
  onEnded: (jobs: readonly Expired[]) => void,
): Promise<readonly ClaimedJob[]> {
  for (let mayBeStale = true; ;) {
    const { isAny: isLimited } = limits
    // Whoever finds nothing waits for nobody.
    if (isLimited && !(await new Claim(database, options, limits, isLimited).findsAny(mayBeStale))) return []
    const claimed = await alone(database, isLimited, (own) =>
      new Claim(own, options, limits, isLimited).run(mayBeStale),
    )
    if (claimed === 'limited') continue
    if (claimed !== 'stale') return claimed
    mayBeStale = await refresh(database, onEnded)
  }
}

/**
 * Where any key has a limit, one claim at a time: each counts what the one before it took, so that the limit holds exactly. Without one, nothing
 * is locked but the rows that are taken.
 */
async function alone<T>(database: Database, isLimited: boolean, work: (database: Database) => Promise<T>): Promise<T> {
  const { queries, dialect } = database
  if (!isLimited) return await work(database)
  return await queries.transaction().execute(async (transaction) => {
    // A statement of its own: the next one sees what was committed while this one waited.
    if (dialect.lockClaims !== null) await sql`${dialect.lockClaims}`.execute(transaction)
    return await work({ ...database, queries: transaction })
  })
}

class Claim {
  readonly #database: Database
  readonly #options: ClaimOptions
  readonly #limits: RunningLimits
  readonly #isLimited: boolean
  readonly #room: Room
  /** Of all jobs of this claim; the fence names the job besides. */
  readonly #token = randomUUID()
  readonly #claimed: ClaimedJob[] = []
  /** Sequences of jobs that were in others' hands. */
  readonly #passed = new Set<number>()
  #urgentInARow: number

  /** @param isLimited whether it minds keys' limits, alone among all claims */
  constructor(database: Database, options: ClaimOptions, limits: RunningLimits, isLimited: boolean) {
    this.#database = database
    this.#options = options
    this.#limits = limits
    this.#isLimited = isLimited
    this.#room = new Room(options)
    this.#urgentInARow = options.urgentInARow ?? 0
  }

  /** Whether there is anything to do for `run`. */
  async findsAny(mayBeStale: boolean): Promise<boolean> {
    const { front, isStale } = await this.#look()
    return (isStale && mayBeStale) || choose(front, this.#room, this.#urgentInARow).length > 0
  }

  /**
   * @returns before anything was taken, `stale`: some jobs were found not to be where they belong; `limited`: some key was found to have a
   * limit, which this claim does not mind
   */
  async run(mayBeStale: boolean): Promise<readonly ClaimedJob[] | 'stale' | 'limited'> {
    while (this.#room.left > 0) {
      const { front, isStale, haveKeysLimits } = await this.#look()
      if (haveKeysLimits && !this.#isLimited) return this.#claimed.length === 0 ? 'limited' : this.#claimed
      if (isStale && mayBeStale && this.#claimed.length === 0) return 'stale'
      const isAny = await this.#takeFrom(front)
      if (!isAny || !(front.urgent.isCut || front.others.isCut)) break
    }
    while (this.#claimed.length === 0 && this.#passed.size > 0 && this.#room.left > 0) {
      if (!(await this.#wait())) return 'limited'
    }
    return this.#claimed
  }

  async #look(): Promise<Look> {
    const found = await look(this.#database, {
      asked: this.#options.asked,
      models: (isExpress) => this.#room.models(isExpress),
      depth: Math.min(this.#room.left, MAX_CLAIMED_JOBS) + (this.#isLimited ? 0 : SPARE),
      isLimited: this.#isLimited,
      runningLimit: this.#limits.ofServer,
      without: this.#passed,
    })
    this.#limits.see(found.haveKeysLimits)
    this.#room.see(found.running)
    return found
  }

  /**
   * All that fits at once; after that, for each one that others were taking, the first of all that fit and nobody holds. Says whether it found
   * any, be it that others took them.
   */
  async #takeFrom(front: Front): Promise<boolean> {
    let left = front
    for (let isAny = false; ; isAny = true) {
      const chosen = choose(left, this.#room, this.#urgentInARow)
      if (chosen.length === 0) return isAny
      const isOne = isAny || chosen.length === 1
      const among = isOne ? alternatives(left, this.#room, this.#urgentInARow) : chosen
      const { taken, missed } = await this.#take(among, isOne ? 1 : chosen.length)
      if (taken.length === chosen.length) return true
      const gone = new Set([...taken, ...missed])
      left = { urgent: without(left.urgent, gone), others: without(left.others, gone) }
    }
  }

  /** @param most of these, the first that nobody else holds */
  async #take(
    among: readonly Candidate[],
    most: number,
    whenLocked = this.#database.dialect.skipLocked,
  ): Promise<{ readonly taken: readonly Candidate[]; readonly missed: readonly Candidate[] }> {
    const rows = await this.#update(among, most, whenLocked)
    const taken: Candidate[] = []
    for (const candidate of among) {
      const row = rows.get(candidate.sequence)
      if (row === undefined) continue
      taken.push(candidate)
      this.#room.take(candidate)
      this.#urgentInARow = row.urgent === 1 ? this.#urgentInARow + 1 : 0
      this.#claimed.push({ job: jobOf(row), lease: { jobId: row.id, token: this.#token, attempt: row.attempt } })
    }
    const missed = taken.length < most ? among.filter(({ sequence }) => !rows.has(sequence)) : []
    for (const { sequence } of missed) this.#passed.add(sequence)
    return { taken, missed }
  }

  async #update(
    among: readonly Candidate[],
    most: number,
    whenLocked: Database['dialect']['skipLocked'],
  ): Promise<ReadonlyMap<number, JobRow>> {
    const { queries, dialect } = this.#database
    const { served, leaseMs, worker } = this.#options
    const { rows } = await sql<JobRow>`
      with free as materialized (
        select jobs.sequence from jobs
        where jobs.sequence in (${sql.join(among.map(({ sequence }) => sequence))})
          and ${IS_READY} and (jobs.start_by is null or jobs.start_by > ${dialect.now})
        order by jobs.rank, jobs.sequence limit ${most} ${whenLocked}
      )
      update jobs set
        status = 'processing',
        served_tier = ${served ?? sql`service_tier`},
        claimed_by = ${worker ?? null},
        started_at = ${dialect.now},
        attempt = attempt + 1,
        lease_token = ${this.#token},
        lease_until = ${fromNow(dialect, leaseMs)}
      where sequence in (select sequence from free)
      returning *
    `.execute(queries)
    return new Map(rows.map((row) => [row.sequence, row]))
  }

  /**
   * All that fits is in others' hands, who need not be claimers, and may let it go: waits for the first one. Not for more at once, since two
   * that wait for each other's would wait in a circle.
   * @returns false: some key was found to have a limit, which this claim does not mind
   */
  async #wait(): Promise<boolean> {
    this.#passed.clear()
    const { front, haveKeysLimits } = await this.#look()
    if (haveKeysLimits && !this.#isLimited) return false
    const [first] = choose(front, this.#room, this.#urgentInARow)
    if (first !== undefined) await this.#take([first], 1, this.#database.dialect.lockRows)
    return true
  }
}

function without({ candidates, isCut }: Line, gone: ReadonlySet<Candidate>): Line {
  return { candidates: candidates.filter((candidate) => !gone.has(candidate)), isCut }
}
