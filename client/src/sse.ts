/** An event of a `text/event-stream`. */
export interface ServerSentEvent {
  /** Default: `message`. */
  readonly type: string
  readonly data: string
  /** The last id that came, with this event or before it. */
  readonly lastEventId: string
}

/**
 * Reads a `text/event-stream` (WHATWG HTML, "Server-sent events"): lines end in LF, CR or CRLF, wherever the chunks are cut; what is not ended
 * by an empty line is no event.
 * @param onActivity called for each chunk, comments included, that tells that the connection lives
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  onActivity: () => void = () => undefined,
): AsyncGenerator<ServerSentEvent, void, void> {
  const decoder = new TextDecoder()
  const reader = body.getReader()
  const parser = new EventParser()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      onActivity()
      yield* parser.push(decoder.decode(value, { stream: true }))
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** What comes of a stream's text, piece by piece. */
export class EventParser {
  #rest = ''
  /** A LF that follows belongs to it. */
  #endsInCr = false
  #type = ''
  #data: string[] = []
  #lastEventId = ''

  #line(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'data') this.#data.push(value)
    else if (field === 'event') this.#type = value
    else if (field === 'id' && !value.includes('\0')) this.#lastEventId = value
    return undefined
  }

  *push(text: string): Generator<ServerSentEvent, void, void> {
    if (text === '') return
    const whole = this.#rest + (this.#endsInCr && text.startsWith('\n') ? text.slice(1) : text)
    this.#endsInCr = text.endsWith('\r')
    const lines = whole.split(/\r\n|\r|\n/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = this.#line(line)
      if (event !== undefined) yield event
    }
  }

  #dispatch(): ServerSentEvent | undefined {
    const [type, data] = [this.#type || 'message', this.#data]
    this.#type = ''
    this.#data = []
    return data.length === 0 ? undefined : { type, data: data.join('\n'), lastEventId: this.#lastEventId }
  }
}
