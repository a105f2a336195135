import { extname } from 'node:path'
import { LRUCache } from 'lru-cache'
import { guessedLength } from '../../payloads/guessed-length.ts'
import type { LengthProbe } from '../../payloads/length-probe.ts'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import type { PayloadStore } from '../../payloads/payload-store.ts'

/** Recordings whose length is remembered: those that are submitted to several models, or again. */
const REMEMBERED_LENGTHS = 10_000

export interface Recording {
  readonly payloadKey: PayloadKey
  readonly bytes: number
  /** Names its content, where that may still be replaced. */
  readonly payloadVersion: string | null
  /** As its headers say, or guessed from its size: to put a job in its place among others, not to trust. */
  readonly audioSeconds: number
}

/** Uploaded recordings, as submits see them. */
export class Recordings {
  readonly #payloads: PayloadStore
  readonly #probe: LengthProbe
  /** An object may be replaced until it is submitted, so its size and version are a part of what is remembered. */
  readonly #lengths = new LRUCache<string, number>({ max: REMEMBERED_LENGTHS })
  /** Those that are being read, for submits of one recording at once. */
  readonly #reading = new Map<string, Promise<number>>()

  constructor(payloads: PayloadStore, probe: LengthProbe) {
    this.#payloads = payloads
    this.#probe = probe
  }

  /**
   * Whole by now: what came in parts is put together. Undefined when nothing was uploaded there.
   * @param owner whose it is
   */
  async find(payloadKey: PayloadKey, owner: string): Promise<Recording | undefined> {
    const found = await this.#payloads.uploads.finish(payloadKey)
    if (found === undefined) return undefined
    const { bytes, version: payloadVersion } = found
    const version = `${payloadKey} ${bytes} ${payloadVersion}`
    const known = this.#lengths.get(version)
    if (known !== undefined) return { payloadKey, bytes, payloadVersion, audioSeconds: known }
    let reading = this.#reading.get(version)
    if (reading === undefined) {
      reading = this.#read({ payloadKey, bytes, owner, version }).finally(() => this.#reading.delete(version))
      this.#reading.set(version, reading)
    }
    return { payloadKey, bytes, payloadVersion, audioSeconds: await reading }
  }

  async #read(of: {
    readonly payloadKey: PayloadKey
    readonly bytes: number
    readonly owner: string
    readonly version: string
  }): Promise<number> {
    const { payloadKey, bytes, owner, version } = of
    const readRange = (start: number, end: number): Promise<Buffer> => this.#payloads.readRange(payloadKey, start, end)
    const object = { bytes, extension: extname(payloadKey).slice(1), readRange }
    const { seconds, isFinal } = await this.#probe.lengthOf(object, owner)
    const audioSeconds = seconds ?? guessedLength(object)
    if (isFinal) this.#lengths.set(version, audioSeconds)
    return audioSeconds
  }
}
