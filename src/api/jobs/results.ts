import { text } from 'node:stream/consumers'
import { LRUCache } from 'lru-cache'
import type { Transcript } from '../../contract/transcript.ts'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import type { PayloadStore } from '../../payloads/payload-store.ts'
import { representationName } from './representation.ts'
import type { Representation } from './representation.ts'
import { transcriptOf } from './stored-transcript.ts'
import { TranscriptTasks } from './transcript-tasks.ts'

/** Characters; of what is stored, and half as many of what is made of it. */
const REMEMBERED = 2 ** 25

/** Stored results. They are never written twice, so what was read and checked once can be kept: clients poll again and again. */
export class Results {
  readonly #payloads: PayloadStore
  readonly #stored = new Texts(REMEMBERED)
  readonly #made = new Texts(REMEMBERED / 2)

  readonly #tasks: TranscriptTasks

  constructor(payloads: PayloadStore, tasks = new TranscriptTasks()) {
    this.#payloads = payloads
    this.#tasks = tasks
  }

  /** JSON of a transcript, as it is stored: an hour of speech has hundreds of kilobytes of it, which no poll is to take apart again. */
  async json(key: PayloadKey): Promise<string> {
    return await this.#stored.get(key, async () => {
      const json = await text(await this.#payloads.read(key))
      await this.#tasks.perform({ json, representation: null })
      return json
    })
  }

  /** The same, taken apart. */
  async transcript(key: PayloadKey): Promise<Transcript> {
    return transcriptOf(JSON.parse(await this.json(key)))
  }

  /**
   * What is made of a stored transcript, once for all that ask for the same.
   * @throws ApiError 400 for what this transcript can't be made into
   */
  async get(key: PayloadKey, representation: Representation): Promise<string> {
    const name = representationName(representation)
    if (name === undefined) return await this.json(key)
    return await this.#made.get(`${key} ${name}`, async () => {
      const json = await this.json(key)
      return await this.#tasks.perform({ json, representation })
    })
  }
}

/** Texts that never change, those that were asked for last. */
class Texts {
  readonly #kept: LRUCache<string, string>
  /** Those that are being made, for all that ask meanwhile. */
  readonly #making = new Map<string, Promise<string>>()

  constructor(characters: number) {
    this.#kept = new LRUCache({ maxSize: characters, sizeCalculation: (kept) => Math.max(kept.length, 1) })
  }

  async get(key: string, make: () => Promise<string>): Promise<string> {
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    let making = this.#making.get(key)
    if (making === undefined) {
      making = this.#make(key, make).finally(() => this.#making.delete(key))
      this.#making.set(key, making)
    }
    return await making
  }

  async #make(key: string, make: () => Promise<string>): Promise<string> {
    const made = await make()
    this.#kept.set(key, made)
    return made
  }
}
