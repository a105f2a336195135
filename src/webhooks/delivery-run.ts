import type { Logger } from 'pino'
import { NO_TRACER, readTraceparent } from '../contract/tracing.ts'
import type { Span, Tracer } from '../contract/tracing.ts'
import type { JobStore } from '../jobs/job-store.ts'
import { tryDelivery } from './attempt.ts'
import type { AttemptResult, GuardedClient } from './attempt.ts'
import type { DefaultWebhooks } from './defaults.ts'
import type { TakenDelivery } from './delivery.ts'
import type { DroppedCode } from './delivery-codes.ts'
import { targetOf } from './endpoint.ts'
import type { Endpoint } from './endpoint.ts'
import type { KeySecrets } from './key-secrets.ts'
import { MAX_RESULT_BYTES, messageOf } from './message.ts'
import type { Outbox } from './outbox.ts'
import { pauseMs } from './retry.ts'

export interface DeliveryParts {
  readonly jobs: Pick<JobStore, 'find'>
  readonly outbox: Outbox
  readonly defaults: DefaultWebhooks
  readonly secrets: KeySecrets
  readonly client: GuardedClient
  /** The links of a job, beginning with `base`, that work without a key; null: its key was revoked. */
  readonly links: (job: {
    readonly id: string
    readonly keyId: string
    readonly base: string
  }) => Promise<Readonly<Record<string, string>> | null>
  /** JSON of a stored transcript; null: it has more bytes, or is gone. */
  readonly result: (resultKey: string, maxBytes: number) => Promise<string | null>
  readonly logger: Logger
  /** Default: none. */
  readonly tracer?: Tracer
  /** Of a request; for tests. */
  readonly timeoutMs?: number
}

/** Standard Webhooks: it is to be asked less. */
const BUSY: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** What the queue of a delivery learns of it. */
export interface DeliveryReport {
  /** Whether the receiver answers, and has not enough for now. */
  readonly isWell: boolean
  readonly retryAfterMs: number | null
}

/** Whom a delivery is for, and what it is made with. */
interface Addressed {
  readonly endpoint: Endpoint
  /** It is the key's default, not the job's own. */
  readonly isDefault: boolean
  readonly urls: Readonly<Record<string, string>>
}

/**
 * Makes one attempt at a delivery that was taken, and settles it.
 * @throws the signal's reason; errors of the database and the payload store: the delivery is due again when its lease ends
 */
export async function runDelivery(
  delivery: TakenDelivery,
  parts: DeliveryParts,
  signal: AbortSignal,
): Promise<DeliveryReport> {
  const addressed = await addressOf(delivery, parts)
  if (typeof addressed === 'string') {
    await parts.outbox.settle(delivery, { outcome: addressed }, null)
    return { isWell: true, retryAfterMs: null }
  }
  const { endpoint } = addressed
  const body = await bodyFor(delivery, addressed, parts)
  const secrets = endpoint.secret === null ? await parts.secrets.signing(delivery.keyId) : [endpoint.secret]
  const { client, timeoutMs } = parts
  const span = startSpan(delivery, endpoint, parts.tracer)
  const result = await tryDelivery({
    ...{ client, url: endpoint.url, secrets, signal, traceparent: span.traceparent },
    message: { id: delivery.id, at: new Date(), body },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }).catch((error: unknown) => {
    span.end({ error: 'stopped' })
    throw error
  })
  endSpan(span, result)
  await settle(delivery, addressed, result, parts)
  const { status } = result.attempt
  return { isWell: status !== null && !BUSY.has(status), retryAfterMs: result.retryAfterMs }
}

/** A span for each attempt, in the job's trace. Of the URL it says the host alone: paths and queries of webhooks are often secrets. */
function startSpan(
  { id, jobId, type, snapshot, tries }: TakenDelivery,
  { url }: Endpoint,
  tracer: Tracer = NO_TRACER,
): Span {
  const { hostname, port, protocol } = new URL(url)
  const standard = protocol === 'https:' ? 443 : 80
  return tracer.start('POST', {
    parent: readTraceparent(snapshot?.traceparent),
    kind: 'client',
    attributes: {
      ...{ 'http.request.method': 'POST', 'server.address': hostname },
      ...{ 'server.port': port === '' ? standard : Number(port), 'http.request.resend_count': tries },
      ...{ 'sotto.job.id': jobId, 'sotto.webhook.event': type, 'sotto.webhook.id': id },
    },
  })
}

function endSpan(span: Span, { attempt: { status, code } }: AttemptResult): void {
  if (status !== null) span.set({ 'http.response.status_code': status })
  span.end(code === null ? {} : { error: code === 'status' && status !== null ? String(status) : code })
}

async function addressOf(delivery: TakenDelivery, parts: DeliveryParts): Promise<Addressed | DroppedCode> {
  const { keyId, jobId } = delivery
  const target = targetOf(delivery.endpoint)
  if (target === undefined) return 'unreadable'
  const byDefault = target.endpoint === null ? await parts.defaults.find(keyId) : undefined
  const endpoint = target.endpoint ?? byDefault?.endpoint
  if (endpoint === undefined) return 'removed'
  if (byDefault !== undefined && byDefault.disabledAt !== null) return 'disabled'
  const urls = await parts.links({ id: jobId, keyId, base: target.base })
  return urls === null ? 'key_revoked' : { endpoint, isDefault: target.endpoint === null, urls }
}

async function bodyFor(
  delivery: TakenDelivery,
  { endpoint, urls }: Addressed,
  { jobs, result }: DeliveryParts,
): Promise<string> {
  const { jobId, type } = delivery
  const isResultAsked = type === 'job.success' && endpoint.include.includes('result')
  const resultKey = isResultAsked ? (await jobs.find(jobId))?.resultKey : undefined
  const transcript = typeof resultKey === 'string' ? await result(resultKey, MAX_RESULT_BYTES) : null
  return messageOf(delivery, { urls, result: isResultAsked ? transcript : undefined })
}

async function settle(
  delivery: TakenDelivery,
  { endpoint, isDefault }: Addressed,
  { attempt, retryAfterMs }: AttemptResult,
  { outbox, defaults, logger }: DeliveryParts,
): Promise<void> {
  const { code } = attempt
  if (code === null) {
    await outbox.settle(delivery, { outcome: 'delivered' }, attempt)
    return
  }
  const pause = code === 'gone' ? null : pauseMs(delivery.tries + 1, retryAfterMs, Math.random())
  await outbox.settle(delivery, pause === null ? { outcome: 'failed' } : { outcome: null, pauseMs: pause }, attempt)
  if (code === 'gone') await (isDefault ? defaults.disable(delivery.keyId, endpoint) : outbox.silence(delivery.jobId))
  // The host alone: paths and queries of webhooks are often secrets.
  const facts = { delivery: delivery.id, job: delivery.jobId, host: new URL(endpoint.url).host, code }
  if (pause === null) logger.warn(facts, 'a webhook was not delivered, and is not tried again')
  else logger.debug({ ...facts, inMs: Math.round(pause) }, 'a webhook was not delivered; it is tried again')
}
