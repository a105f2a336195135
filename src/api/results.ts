import { text } from 'node:stream/consumers'
import { LRUCache } from 'lru-cache'
import { Check } from 'typebox/value'
import type { Soon } from '../jobs/soon.ts'
import type { PayloadKey, PayloadStore } from '../payloads/store.ts'
import { TranscriptSchema } from '../transcript/result.ts'
import type { Transcript } from '../transcript/result.ts'

/** Characters. */
const REMEMBERED = 2 ** 25

/** Stored results. They are never written twice, so what was read and checked once can be kept: clients poll again and again. */
export class Results {
  readonly #payloads: PayloadStore
  readonly #read = new LRUCache<PayloadKey, string>({ maxSize: REMEMBERED, sizeCalculation: (json) => json.length })

  constructor(payloads: PayloadStore) {
    this.#payloads = payloads
  }

  /** JSON of a transcript, as it is stored: an hour of speech has hundreds of kilobytes of it, which no poll is to take apart again. */
  json(key: PayloadKey): Soon<string> {
    return this.#read.get(key) ?? this.#fetch(key)
  }

  async read(key: PayloadKey): Promise<Transcript> {
    return parse(key, await this.json(key))
  }

  async #fetch(key: PayloadKey): Promise<string> {
    const json = await text(await this.#payloads.read(key))
    parse(key, json)
    this.#read.set(key, json)
    return json
  }
}

function parse(key: PayloadKey, json: string): Transcript {
  const result: unknown = JSON.parse(json)
  if (!Check(TranscriptSchema, result)) throw new Error(`the stored result ${key} is no transcript`)
  return result
}
