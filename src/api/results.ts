import { text } from 'node:stream/consumers'
import { LRUCache } from 'lru-cache'
import { Check } from 'typebox/value'
import type { PayloadKey, PayloadStore } from '../payloads/store.ts'
import { TranscriptSchema } from '../transcript/result.ts'
import type { Transcript } from '../transcript/result.ts'

/** Characters of JSON; in memory it is a few times as much. */
const REMEMBERED = 2 ** 23

/** Stored results. They are never written twice, so what was read and checked once can be kept: clients poll again and again. */
export class Results {
  readonly #payloads: PayloadStore
  readonly #read = new LRUCache<PayloadKey, Transcript>({ maxSize: REMEMBERED })

  constructor(payloads: PayloadStore) {
    this.#payloads = payloads
  }

  async read(key: PayloadKey): Promise<Transcript> {
    const known = this.#read.get(key)
    if (known !== undefined) return known
    const json = await text(await this.#payloads.read(key))
    const result: unknown = JSON.parse(json)
    if (!Check(TranscriptSchema, result)) throw new Error(`the stored result ${key} is no transcript`)
    this.#read.set(key, result, { size: json.length })
    return result
  }
}
