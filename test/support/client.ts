import { openAsBlob } from 'node:fs'
import { extname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Transcript } from '../../src/contract/transcript.ts'

const FINISHED = new Set(['success', 'failed', 'cancelled'])

export interface JobBody {
  readonly id: string
  readonly model: string
  readonly status: string
  readonly acceptedAt: string
  readonly startedAt: string | null
  readonly completedAt: string | null
  readonly result: Transcript | null
  readonly doneSeconds: number
  readonly serviceTier: string
  readonly servedTier: string | null
  readonly error?: { readonly code: string; readonly message: string }
}

export interface SubmitOptions {
  readonly model?: string
  readonly serviceTier?: string
  readonly input?: Readonly<Record<string, unknown>>
}

/** The four steps of the Async API, as a user's program takes them. */
export class Client {
  readonly base: string
  readonly #key: string

  constructor(base: string, key: string) {
    this.base = base
    this.#key = key
  }

  /** For requests that are made without this client. */
  get authorization(): { readonly authorization: string } {
    return { authorization: `Bearer ${this.#key}` }
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('authorization', this.authorization.authorization)
    return await fetch(new URL(path, this.base), { ...init, headers })
  }

  async json<T>(expectedStatus: number, path: string, init: RequestInit = {}): Promise<T> {
    const response = await this.fetch(path, init)
    const text = await response.text()
    if (response.status !== expectedStatus) {
      throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} instead of ${expectedStatus}: ${text}`)
    }
    return JSON.parse(text) as T
  }

  async uploadUrl(extension: string): Promise<string> {
    const path = `/v1/input/upload-url?extension=${extension}`
    const body = await this.json<{ uploadUrl: { PUT: string } }>(201, path, { method: 'POST', ...jsonBody({}) })
    return body.uploadUrl.PUT
  }

  async upload(file: string): Promise<string> {
    const url = await this.uploadUrl(extname(file).slice(1))
    const response = await fetch(url, { method: 'PUT', body: await openAsBlob(file) })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`PUT: ${response.status}: ${text}`)
    return url
  }

  /** Says the poll URL and the job as it was accepted. */
  async submit(url: string, options: SubmitOptions = {}): Promise<JobBody & { urls: { GET: string } }> {
    const { model = 'sotto/whisper-demo', serviceTier, input = {} } = options
    const query = serviceTier === undefined ? '' : `?serviceTier=${serviceTier}`
    const path = `/v1/async/ent/tiyarofs/1/${model}${query}`
    const init = { method: 'POST', ...jsonBody({ URL: url, input }) }
    return (await this.json<{ response: JobBody & { urls: { GET: string } } }>(202, path, init)).response
  }

  async poll(id: string): Promise<JobBody> {
    return await this.json<JobBody>(200, `/v1/async/requests/${id}`)
  }

  /** Polls until the job is as asked; a job that finishes otherwise is an error. */
  async waitFor(id: string, isReached: (job: JobBody) => boolean): Promise<JobBody> {
    for (;;) {
      const job = await this.poll(id)
      if (isReached(job)) return job
      if (FINISHED.has(job.status)) throw new Error(`job ${id}: ${job.status} ${JSON.stringify(job.error)}`)
      await delay(20)
    }
  }

  async finish(id: string): Promise<JobBody> {
    return await this.waitFor(id, (job) => FINISHED.has(job.status))
  }

  /** All four steps. */
  async transcribe(file: string, options: SubmitOptions = {}): Promise<JobBody> {
    const { id } = await this.submit(await this.upload(file), options)
    return await this.finish(id)
  }
}

export function jsonBody(body: unknown): { body: string; headers: Record<string, string> } {
  return { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
}
