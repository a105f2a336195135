import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, jsonBody } from '../support/client.ts'
import type { JobBody } from '../support/client.ts'
import { fixture as clip } from '../support/clips.ts'
import type { UpgradeFixture } from './fixture.ts'

export const SHORT = 'es-short.ogg'
export const LONG = 'en-one-minute.m4a'
export const CLIPS = [SHORT, LONG]
/** Few tokens a window make many windows. */
export const MANY_WINDOWS = { sample_len: 32 }
export const IDEMPOTENCY_KEY = 'sent-twice'

interface Submit {
  readonly url: string
  readonly input?: Readonly<Record<string, unknown>>
  readonly idempotencyKey?: string
  /** `priority`, `startBy`, … */
  readonly options?: Readonly<Record<string, unknown>>
}

/** A client that writes down what it gets from a server. */
export class Visitor {
  readonly #client: Client
  readonly #jobs: UpgradeFixture['jobs']

  constructor(url: string, key: string, jobs: UpgradeFixture['jobs'] = {}) {
    this.#client = new Client(url, key)
    this.#jobs = jobs
  }

  get client(): Client {
    return this.#client
  }

  /** @param file one of the tests' recordings, or bytes */
  async upload(file: string | Uint8Array<ArrayBuffer>): Promise<string> {
    const url = await this.#client.uploadUrl(typeof file === 'string' ? file.replace(/.*\./, '') : 'wav')
    const body = typeof file === 'string' ? await readFile(clip(file)) : file
    const { status } = await fetch(url, { method: 'PUT', body })
    if (status !== 200) throw new Error(`PUT: ${status}`)
    return url
  }

  async submit(name: string, { url, input = {}, idempotencyKey, options = {} }: Submit): Promise<string> {
    const { body, headers } = jsonBody({ URL: url, input, ...options })
    if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
    const { response } = await this.#client.json<{ response: JobBody & { urls: { GET: string } } }>(
      202,
      '/v1/async/ent/tiyarofs/1/sotto/whisper-demo',
      { method: 'POST', body, headers },
    )
    this.#jobs[name] = { id: response.id, pollPath: pathOf(response.urls.GET) }
    return response.id
  }

  /** Until it has ended, however it did. */
  async finish(name: string, submit: Submit): Promise<string> {
    const id = await this.submit(name, submit)
    await this.#client.finish(id)
    return id
  }

  async cancel(id: string): Promise<void> {
    await this.#client.json(200, `/v1/async/requests/${id}/cancel`, { method: 'POST' })
  }

  async remove(id: string): Promise<void> {
    const { status } = await this.#client.fetch(`/v1/async/requests/${id}`, { method: 'DELETE' })
    if (status !== 204) throw new Error(`DELETE: ${status}`)
  }

  /** Until it waits again after it broke off with this code. */
  async untilWaitingFor(id: string, code: string): Promise<void> {
    const path = `/v1/async/requests/${id}`
    while ((await this.#client.json<{ waitingFor?: { code: string } }>(200, path)).waitingFor?.code !== code) {
      await delay(20)
    }
  }
}

/** Without what a server of tomorrow has of its own: its origin. */
export function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}
