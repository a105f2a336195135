import { text } from 'node:stream/consumers'
import { LRUCache } from 'lru-cache'
import { Compile } from 'typebox/compile'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import type { PayloadStore } from '../../payloads/payload-store.ts'
import { TranscriptSchema } from '../../contract/transcript.ts'
import type { Transcript } from '../../contract/transcript.ts'

/** Characters. */
const REMEMBERED = 2 ** 25

const transcript = Compile(TranscriptSchema)

/** Stored results. They are never written twice, so what was read and checked once can be kept: clients poll again and again. */
export class Results {
  readonly #payloads: PayloadStore
  readonly #read = new LRUCache<PayloadKey, string>({ maxSize: REMEMBERED, sizeCalculation: (json) => json.length })
  /** Those that are being read, for all that ask meanwhile. */
  readonly #reading = new Map<PayloadKey, Promise<string>>()

  constructor(payloads: PayloadStore) {
    this.#payloads = payloads
  }

  /** JSON of a transcript, as it is stored: an hour of speech has hundreds of kilobytes of it, which no poll is to take apart again. */
  async json(key: PayloadKey): Promise<string> {
    const known = this.#read.get(key)
    if (known !== undefined) return known
    let reading = this.#reading.get(key)
    if (reading === undefined) {
      reading = this.#fetch(key).finally(() => this.#reading.delete(key))
      this.#reading.set(key, reading)
    }
    return await reading
  }

  /** The same, taken apart. */
  async transcript(key: PayloadKey): Promise<Transcript> {
    const value: unknown = JSON.parse(await this.json(key))
    if (!transcript.Check(value)) throw new Error(`the stored result ${key} is no transcript`)
    return value
  }

  async #fetch(key: PayloadKey): Promise<string> {
    const json = await text(await this.#payloads.read(key))
    if (!transcript.Check(JSON.parse(json))) throw new Error(`the stored result ${key} is no transcript`)
    this.#read.set(key, json)
    return json
  }
}
