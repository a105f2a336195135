import { setImmediate as nextTurn } from 'node:timers/promises'
import type { NewJob, Submitted } from '../job-store.ts'
import { isRefused } from './submit.ts'
import type { Outcome } from './submit.ts'

/** As many as fit well into one statement. */
const MAX_GROUP_LENGTH = 100
/** After a group of this size more are likely to come: a short wait makes the next group larger, and the commits fewer. */
const LARGE_GROUP_LENGTH = 32
const GATHER_MS = 2

interface Waiting {
  readonly job: NewJob
  readonly resolve: (submitted: Submitted) => void
  readonly reject: (error: unknown) => void
}

/**
 * Group commit: while one group of submits is being committed, the next one gathers. A job that comes alone
 * waits for one turn of the event loop, in which those that were read from the network with it come too.
 */
export class SubmitGroups {
  readonly #submit: (jobs: readonly NewJob[]) => Promise<readonly Outcome[]>
  #waiting: Waiting[] = []
  #isRunning = false
  #onFull: () => void = () => undefined

  constructor(submit: (jobs: readonly NewJob[]) => Promise<readonly Outcome[]>) {
    this.#submit = submit
  }

  async add(job: NewJob): Promise<Submitted> {
    const { promise, resolve, reject } = Promise.withResolvers<Submitted>()
    this.#waiting.push({ job, resolve, reject })
    if (this.#waiting.length >= MAX_GROUP_LENGTH) this.#onFull()
    if (!this.#isRunning) void this.#run()
    return await promise
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    await nextTurn()
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP_LENGTH)
      await this.#commit(group)
      if (group.length >= LARGE_GROUP_LENGTH && this.#waiting.length < MAX_GROUP_LENGTH) await this.#gather()
    }
    this.#isRunning = false
  }

  /** Ends early when the next group is full. */
  async #gather(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onFull = resolve
    const timer = setTimeout(resolve, GATHER_MS)
    await promise
    clearTimeout(timer)
  }

  /** A group that fails as a whole is tried one by one, so that one job's error is not another's. */
  async #commit(group: readonly Waiting[]): Promise<void> {
    try {
      settle(group, await this.#submit(group.map(({ job }) => job)))
    } catch (error) {
      const [only, ...others] = group
      if (others.length === 0) only?.reject(error)
      else if (isRefused(error)) for (const one of group) await this.#commit([one])
      else for (const { reject } of group) reject(error)
    }
  }
}

function settle(group: readonly Waiting[], outcomes: readonly Outcome[]): void {
  for (const [index, { resolve, reject }] of group.entries()) {
    const outcome = outcomes[index]
    if (outcome === undefined || outcome instanceof Error) reject(outcome)
    else resolve(outcome)
  }
}
