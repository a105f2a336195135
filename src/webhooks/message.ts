import type { TakenDelivery } from './delivery.ts'

/** Of a transcript that goes along: three hours of speech. */
export const MAX_RESULT_BYTES = 4 * 2 ** 20

/** What a message says that is not in the delivery. */
export interface MessageParts {
  readonly urls: Readonly<Record<string, string>>
  /** JSON of the transcript; null: it was asked for and is not there, or is too large; undefined: it was not asked for. */
  readonly result: string | null | undefined
}

/** The body of a webhook. */
export function messageOf(delivery: TakenDelivery, parts: MessageParts): string {
  const { jobId, type, at, snapshot, sequence } = delivery
  const { urls, result } = parts
  const data = {
    id: jobId,
    status: type.slice(type.indexOf('.') + 1),
    sequence,
    ...(snapshot === null
      ? {}
      : {
          model: snapshot.model,
          name: snapshot.name,
          metadata: metadataOf(snapshot.metadata),
          audioSeconds: snapshot.audioSeconds,
          attempt: snapshot.attempt,
          acceptedAt: timeOf(snapshot.acceptedAt),
          startedAt: timeOf(snapshot.startedAt),
          completedAt: timeOf(snapshot.completedAt),
          ...(snapshot.code === null ? {} : { error: { code: snapshot.code, message: snapshot.message ?? '' } }),
        }),
    urls,
  }
  const message = JSON.stringify({ type, timestamp: at.toISOString(), data })
  // As text: it is JSON already, and of an hour it has a megabyte.
  return result === undefined ? message : `${message.slice(0, -2)},"result":${result ?? 'null'}}}`
}

/** What a test is told. */
export function testMessage(at: Date): string {
  return JSON.stringify({
    type: 'webhook.test',
    timestamp: at.toISOString(),
    data: { message: 'This is a test: no job was done. Webhooks arrive here.' },
  })
}

function metadataOf(json: string | null): Readonly<Record<string, unknown>> {
  const pairs: unknown = json === null ? {} : JSON.parse(json)
  return typeof pairs === 'object' && pairs !== null ? { ...pairs } : {}
}

function timeOf(seconds: number | null): string | null {
  return seconds === null ? null : new Date(Math.round(seconds * 1000)).toISOString()
}
