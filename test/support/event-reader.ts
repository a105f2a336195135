import { EventSourceParserStream } from 'eventsource-parser/stream'
import type { Client } from './client.ts'

/** A server-sent event as a client sees it; its data is JSON. */
export interface SentEvent {
  /** Undefined: it has none of its own. */
  readonly id: string | undefined
  readonly name: string
  readonly data: Readonly<Record<string, unknown>>
}

/** The events of an answer, until it ends; whoever leaves it closes the connection. */
export async function* eventsIn({ body }: Response): AsyncGenerator<SentEvent, void, undefined> {
  if (body === null) throw new Error('an answer without a body')
  const messages = body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
  for await (const { id, event, data } of messages) {
    if (data !== '') yield { id, name: event ?? 'message', data: JSON.parse(data) as SentEvent['data'] }
  }
}

/** Follows a path with an API key. */
export async function openStream(
  client: Client,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const response = await client.fetch(path, { headers })
  if (response.status !== 200) throw new Error(`${path}: ${response.status}: ${await response.text()}`)
  return response
}

/** All events of a stream that ends by itself. */
export async function allEvents(
  client: Client,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly SentEvent[]> {
  return await Array.fromAsync(eventsIn(await openStream(client, path, headers)))
}

/** Without what is only the latest: what each stream of a job tells alike. */
export function transitions(events: readonly SentEvent[]): readonly SentEvent[] {
  return events.filter(({ name }) => name !== 'progress')
}

interface Segment {
  readonly id: number
  readonly text: string
}

/** The segments that a client has which follows the rule: what comes replaces what it has from its place on. */
export function segmentsOf(events: readonly SentEvent[]): readonly Segment[] {
  const segments: Segment[] = []
  for (const { name, data } of events) {
    if (name !== 'segments') continue
    const { firstSegment, segments: told } = data as { firstSegment: number; segments: readonly Segment[] }
    if (firstSegment > segments.length) throw new Error(`a gap before segment ${firstSegment}`)
    segments.splice(firstSegment, segments.length, ...told)
  }
  return segments
}
