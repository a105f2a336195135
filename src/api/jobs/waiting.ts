import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { isFinished } from '../../jobs/job.ts'
import type { Job } from '../../jobs/job.ts'
import type { JobStore } from '../../jobs/job-store.ts'
import { OpenRequests } from '../http/open-requests.ts'

/** Below the 60 s after which most proxies give up, less what the way there takes: `Prefer` may say more, and gets this. */
export const MAX_WAIT_SECONDS = 60

export const WaitField = Type.Optional(
  Type.String({
    pattern: '^\\d{1,9}$',
    description: `Seconds, ${MAX_WAIT_SECONDS} at most, that the answer may wait for what is to be waited for, as with the header Prefer: wait=…. More count as ${MAX_WAIT_SECONDS}.`,
  }),
)
export const PreferHeader = Type.Object({
  prefer: Type.Optional(
    Type.String({ description: `wait=30: the answer may wait so many seconds, ${MAX_WAIT_SECONDS} at most.` }),
  ),
})

/** How long a client lets its answer wait. */
export interface Wait {
  readonly seconds: number
  /** Whether it was asked for as a preference, whose being heeded is to be told. */
  readonly isPreferred: boolean
}

const PREFERENCE = /^wait(?:\s*=\s*"?(\d{1,9})"?)?$/i

/**
 * What a request says of waiting, null: nothing. The query counts before the header (RFC 7240), of which the first `wait` counts; one without a
 * number is as long as possible, and one that can't be read counts for nothing.
 */
export function waitOf({ headers }: FastifyRequest, query: string | undefined): Wait | null {
  if (query !== undefined) return { seconds: Math.min(Number(query), MAX_WAIT_SECONDS), isPreferred: false }
  const { prefer } = headers
  const text = Array.isArray(prefer) ? prefer.join(',') : (prefer ?? '')
  const preferences = text.split(',').map((preference) => (preference.split(';')[0] ?? '').trim())
  const wait = preferences.find((preference) => /^wait\b/i.test(preference))
  const found = wait === undefined ? null : PREFERENCE.exec(wait)
  if (found === null) return null
  return { seconds: Math.min(Number(found[1] ?? MAX_WAIT_SECONDS), MAX_WAIT_SECONDS), isPreferred: true }
}

/** Answers that wait for something to happen to a job. None of them holds a connection of the database. */
export class JobWaits {
  readonly #jobs: Pick<JobStore, 'find' | 'feed'>
  readonly #requests: OpenRequests

  /** @param maxPerKey those that are beyond it are answered at once; null: any number wait */
  constructor(jobs: Pick<JobStore, 'find' | 'feed'>, maxPerKey: number | null) {
    this.#jobs = jobs
    this.#requests = new OpenRequests(maxPerKey)
  }

  /**
   * The job as it is when it is worth an answer, has finished, or the time is up; at once, when the client leaves or the server closes.
   * Undefined: it was removed.
   * @param isAnswer whether the client is to hear of the job as it is
   */
  async until(
    job: Job,
    isAnswer: (job: Job) => boolean,
    wait: Wait | null,
    reply: FastifyReply,
  ): Promise<Job | undefined> {
    if (wait?.isPreferred === true) void reply.header('preference-applied', `wait=${wait.seconds}`)
    const isOver = (now: Job | undefined): boolean => now === undefined || isFinished(now.status) || isAnswer(now)
    if (wait === null || wait.seconds === 0 || isOver(job)) return job
    using bell = new Bell()
    using entered = this.#requests.enter(job.keyId, () => {
      // A connection that is kept would keep the server from closing.
      void reply.header('connection', 'close')
      bell.end()
    })
    if (entered === undefined) {
      void reply.removeHeader('preference-applied')
      return job
    }
    bell.endAfter(wait.seconds * 1000, reply)
    using _ = await this.#jobs.feed.joinNow({
      ...{ keyId: job.keyId, jobId: job.id, wantsText: false },
      onEvents: () => bell.ring(),
      onError: () => bell.end(),
    })
    for (;;) {
      const now = await this.#jobs.find(job.id)
      if (isOver(now) || bell.isOver) return now
      await bell.wait()
    }
  }

  /** Answers all. */
  close(): void {
    this.#requests.close()
  }
}

/** Wakes one who waits, and says when there is no more waiting. */
class Bell implements Disposable {
  #isOver = false
  #rings = false
  #wake: () => void = () => undefined
  #timer: NodeJS.Timeout | undefined
  #forget: () => void = () => undefined

  get isOver(): boolean {
    return this.#isOver
  }

  ring(): void {
    this.#rings = true
    this.#wake()
  }

  end(): void {
    this.#isOver = true
    this.ring()
  }

  /** When so long has passed, or nobody waits for the answer. */
  endAfter(ms: number, { raw }: FastifyReply): void {
    const end = (): void => this.end()
    this.#timer = setTimeout(end, ms)
    if (raw.destroyed) this.end()
    raw.once('close', end)
    this.#forget = () => raw.off('close', end)
  }

  /** Resolves when it has rung since the last time. */
  async wait(): Promise<void> {
    if (!this.#rings) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
    this.#rings = false
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#forget()
  }
}
