import { setTimeout } from 'node:timers/promises'
import { ListeningConnection } from './listening-connection.ts'
import type { Notice } from './notice.ts'

/** `notified`: notices arrive by themselves; `polled`: what they would tell has to be asked for. */
export type Delivery = 'notified' | 'polled'

export interface ListenerTiming {
  /** How long a probe may take to arrive. */
  readonly probeMs: number
  /** How often a silent connection is asked whether it lives. */
  readonly aliveMs: number
  /** When to try again after a probe got lost. */
  readonly deafMs: number
}

export interface NoticeListenerOptions {
  readonly url: string
  /** Sends a probe by another connection. */
  readonly sendProbe: (probe: string) => Promise<void>
  readonly onNotice: (notice: Notice) => void
  /** Told of each attempt; the cause says why nothing is heard. */
  readonly onDelivery: (delivery: Delivery, cause?: unknown) => void
  readonly timing: ListenerTiming
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5_000

/** Listens by a connection that is made again whenever it breaks, and that counts when it has heard a probe. */
export class NoticeListener implements AsyncDisposable {
  /** Resolves when it is known for the first time whether notices arrive, or when it is disposed. */
  readonly settled: Promise<void>
  readonly #options: NoticeListenerOptions
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  constructor(options: NoticeListenerOptions) {
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<void>()
    this.settled = promise
    this.#running = this.#run(resolve).finally(resolve)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(settle: () => void): Promise<void> {
    const { signal } = this.#stop
    const { onDelivery, timing } = this.#options
    let failures = 0
    const heard = () => {
      failures = 0
      onDelivery('notified')
      settle()
    }
    while (!signal.aborted) {
      let waitMs = timing.deafMs
      let cause: unknown
      try {
        cause = await this.#listen(heard)
      } catch (error) {
        cause = error
        failures += 1
        waitMs = retryMs(failures)
      }
      if (signal.aborted) return
      onDelivery('polled', cause)
      settle()
      await setTimeout(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Throws what has ended the connection; comes back, with the reason, only when nothing can be heard by it. */
  async #listen(heard: () => void): Promise<Error> {
    const { url, onNotice, sendProbe, timing } = this.#options
    await using connection = await ListeningConnection.open({
      url,
      onNotice,
      aliveMs: timing.aliveMs,
      signal: this.#stop.signal,
    })
    if (!(await connection.hears(sendProbe, timing.probeMs))) return connection.deafness
    heard()
    return await connection.lost
  }
}

/** With jitter, so that all servers do not come back in the same moment. */
function retryMs(failures: number): number {
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)) * (0.5 + Math.random())
}
