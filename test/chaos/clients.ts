import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { choose } from '../support/random.ts'
import { FollowedText } from './followed-text.ts'
import type { WebhookReceiver } from './webhook-receiver.ts'

const SUBMIT = '/v1/async/ent/tiyarofs/1/sotto/whisper-demo'
const FINISHED = new Set(['success', 'failed', 'cancelled'])
const RETRY_MS = 100
const ANSWER_MS = 15_000
/** Some servers die without closing their connections. */
const STREAM_MS = 10_000

/** A job that a server has acknowledged. */
export interface Acknowledged {
  readonly id: string
  readonly clip: string
  wasCancelled: boolean
  /** What was heard of it, by those who followed it. */
  heard?: FollowedText
}

export interface ClientOptions {
  /** Any server that is there now; undefined: none is. */
  readonly baseUrl: () => string | undefined
  readonly key: string
  readonly clips: readonly string[]
  readonly random: () => number
  /** Told of each job's end; undefined: nobody is, and no job is followed. */
  readonly receiver?: WebhookReceiver
}

/**
 * A client as it should be: whatever it can't be sure of, it asks again, a submit with the same Idempotency-Key. It uploads, submits,
 * polls or follows, and cancels now and then.
 */
export class ChaosClient {
  readonly jobs: Acknowledged[] = []
  /** Names of uploads that were given up, since their answer was lost with the server's port: they may be there, and go after a day. */
  readonly givenUp: string[] = []
  readonly #options: ClientOptions
  readonly #following: Promise<void>[] = []

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** One recording after the other, until the signal is aborted; the one that was begun is brought to its end. */
  async run(signal: AbortSignal): Promise<void> {
    const { clips, random, receiver } = this.#options
    while (!signal.aborted) {
      const job = await this.send(choose(clips, random))
      this.jobs.push(job)
      const following = receiver !== undefined && random() < 0.5 ? this.#follow(job) : undefined
      if (following !== undefined) this.#following.push(following)
      if (random() < 0.15) await this.cancel(job)
      // Some wait for their transcript, some send all that they have.
      if (random() < 0.7) await (following ?? this.#wait(job.id, signal))
    }
    await Promise.all(this.#following)
  }

  async poll(id: string): Promise<JobBody> {
    return (await this.#ask(`/v1/async/requests/${id}`, {}, [200])) as JobBody
  }

  async cancel(job: Acknowledged): Promise<void> {
    await delay(500 * this.#options.random())
    job.wasCancelled = true
    // 409: it had finished before.
    await this.#ask(`/v1/async/requests/${job.id}/cancel`, { method: 'POST' }, [200, 409])
  }

  /** 404: an earlier try of this removed it, whose answer did not arrive. */
  async remove(id: string): Promise<void> {
    await this.#ask(`/v1/async/requests/${id}`, { method: 'DELETE' }, [204, 404])
  }

  async send(clip: string): Promise<Acknowledged> {
    const path = `/v1/input/upload-url?extension=${extname(clip).slice(1)}`
    const bytes = await readFile(clip)
    const idempotency = { 'idempotency-key': randomUUID() }
    for (;;) {
      const { uploadUrl } = (await this.#ask(path, { method: 'POST' }, [201])) as { uploadUrl: { PUT: string } }
      if (!(await this.#put(uploadUrl.PUT, bytes))) {
        this.givenUp.push(basename(new URL(uploadUrl.PUT).pathname))
        continue
      }
      const webhook = this.#options.receiver?.webhook
      const { body, headers } = jsonBody({ URL: uploadUrl.PUT, input: {}, ...(webhook && { webhook }) })
      const init = { method: 'POST', body, headers: { ...headers, ...idempotency } }
      const { response } = (await this.#ask(SUBMIT, init, [202])) as { response: JobBody }
      return { id: response.id, clip, wasCancelled: false }
    }
  }

  /** To its end, by whichever server is there, from where the last stream broke off. */
  async #follow(job: Acknowledged): Promise<void> {
    const heard = new FollowedText()
    job.heard = heard
    while (!heard.isFinished) {
      const base = this.#options.baseUrl()
      if (base !== undefined) await this.#listen(new URL(`/v1/async/requests/${job.id}/events`, base), heard)
      await delay(RETRY_MS)
    }
  }

  async #listen(url: URL, heard: FollowedText): Promise<void> {
    const headers = { authorization: `Bearer ${this.#options.key}`, 'last-event-id': heard.lastEventId }
    try {
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(STREAM_MS) })
      if (answer.status === 200 && answer.body !== null) await heard.read(answer.body)
      else await answer.arrayBuffer()
    } catch {
      // Cut off, refused, or silent.
    }
  }

  async #wait(id: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !FINISHED.has((await this.poll(id)).status)) await delay(RETRY_MS)
  }

  /** Says whether it was acknowledged; the URL of a server that has another port by now never is. */
  async #put(url: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    for (let tries = 0; tries < 20; tries++) {
      try {
        const answer = await fetch(url, { method: 'PUT', body: bytes, signal: AbortSignal.timeout(ANSWER_MS) })
        await answer.arrayBuffer()
        if (answer.status === 200) return true
      } catch {
        // Cut off, refused, or no answer in time.
      }
      await delay(RETRY_MS)
    }
    return false
  }

  /** Asks until it gets one of these answers; a refusal that no repetition can change is an error. */
  async #ask(path: string, init: RequestInit, expected: readonly number[]): Promise<unknown> {
    for (;;) {
      const base = this.#options.baseUrl()
      const answer = base === undefined ? undefined : await this.#try(new URL(path, base), init)
      if (answer !== undefined && expected.includes(answer.status)) return answer.body
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) {
        throw new Error(`${init.method ?? 'GET'} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      }
      await delay(RETRY_MS)
    }
  }

  async #try(url: URL, init: RequestInit): Promise<{ readonly status: number; readonly body: unknown } | undefined> {
    try {
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${this.#options.key}`)
      const answer = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(ANSWER_MS) })
      const text = await answer.text()
      return { status: answer.status, body: text === '' ? null : JSON.parse(text) }
    } catch {
      return undefined
    }
  }
}
