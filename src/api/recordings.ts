import { extname } from 'node:path'
import { LRUCache } from 'lru-cache'
import { audioLength } from '../payloads/audio-length.ts'
import type { PayloadKey, PayloadStore } from '../payloads/store.ts'

/** Recordings whose length is remembered: those that are submitted to several models, or again. */
const REMEMBERED = 10_000

export interface Recording {
  readonly payloadKey: PayloadKey
  readonly bytes: number
  /** Names its content, where that may still be replaced. */
  readonly payloadVersion: string | null
  /** As its headers say, or guessed from its size. */
  readonly audioSeconds: number
}

/** Uploaded recordings, as submits see them. */
export class Recordings {
  readonly #payloads: PayloadStore
  /** An object may be replaced until it is submitted, so its size and version are a part of what is remembered. */
  readonly #lengths = new LRUCache<string, number>({ max: REMEMBERED })

  constructor(payloads: PayloadStore) {
    this.#payloads = payloads
  }

  /** Whole by now: what came in parts is put together. Undefined when nothing was uploaded there. */
  async find(payloadKey: PayloadKey, signal?: AbortSignal): Promise<Recording | undefined> {
    const found = await this.#payloads.finishUpload(payloadKey)
    if (found === undefined) return undefined
    const { bytes, version: payloadVersion } = found
    const version = `${payloadKey} ${bytes} ${payloadVersion}`
    const known = this.#lengths.get(version)
    if (known !== undefined) return { payloadKey, bytes, payloadVersion, audioSeconds: known }
    const readRange = (start: number, end: number): Promise<Buffer> => this.#payloads.readRange(payloadKey, start, end)
    const extension = extname(payloadKey).slice(1)
    const audioSeconds = await audioLength({ bytes, extension, readRange }, signal)
    this.#lengths.set(version, audioSeconds)
    return { payloadKey, bytes, payloadVersion, audioSeconds }
  }
}
