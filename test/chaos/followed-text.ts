import { readEvents } from '../../client/src/sse.ts'

const FINISHED = new Set(['success', 'failed', 'cancelled'])

interface Segments {
  readonly firstSegment: number
  readonly segments: readonly { readonly text: string }[]
}

/** What one client has heard of a job, from several connections to several servers. */
export class FollowedText {
  readonly #texts: string[] = []
  readonly #faults: string[] = []
  #lastEventId = ''
  #status = ''

  get lastEventId(): string {
    return this.#lastEventId
  }

  get isFinished(): boolean {
    return FINISHED.has(this.#status)
  }

  get status(): string {
    return this.#status
  }

  get text(): string {
    return this.#texts.join('')
  }

  /** Gaps and repetitions. */
  get faults(): readonly string[] {
    return this.#faults
  }

  /** Reads a stream as far as it goes. */
  async read(body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const { type, data, lastEventId } of readEvents(body)) {
      if (this.isFinished) this.#faults.push(`${type} after the end`)
      if (type === 'segments') this.#add(JSON.parse(data) as Segments)
      if (type === 'status') this.#status = (JSON.parse(data) as { readonly status: string }).status
      this.#lastEventId = lastEventId
    }
  }

  #add({ firstSegment, segments }: Segments): void {
    const { length } = this.#texts
    if (firstSegment > length) this.#faults.push(`segments ${length} to ${firstSegment - 1} are missing`)
    if (firstSegment < length) this.#faults.push(`segments from ${firstSegment} on came again, of ${length}`)
    this.#texts.splice(firstSegment, Infinity, ...segments.map(({ text }) => text))
  }
}
