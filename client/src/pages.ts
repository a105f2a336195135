/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** Names the next page; null: there is none. */
  readonly next: string | null
}

/** A list that is read page by page: iterate it, or take one page. */
export class Pages<Item> implements AsyncIterable<Item> {
  readonly #load: (cursor: string | undefined) => Promise<Page<Item>>

  constructor(load: (cursor: string | undefined) => Promise<Page<Item>>) {
    this.#load = load
  }

  /** @param cursor `next` of the page before */
  async page(cursor?: string): Promise<Page<Item>> {
    return await this.#load(cursor)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, void> {
    let cursor: string | undefined
    do {
      const { items, next } = await this.#load(cursor)
      yield* items
      cursor = next ?? undefined
    } while (cursor !== undefined)
  }

  /** All of them, or the first. */
  async all({ limit = Infinity }: { readonly limit?: number } = {}): Promise<readonly Item[]> {
    const items: Item[] = []
    for await (const item of this) {
      if (items.length >= limit) break
      items.push(item)
    }
    return items
  }
}
