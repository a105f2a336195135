import type { Logger } from 'pino'
import type { ApiKeys } from './api/authentication/api-keys.ts'
import type { Results } from './api/jobs/results.ts'
import { pollUrlBelow } from './api/urls.ts'
import type { Backend } from './backend.ts'
import type { Config } from './config/config.ts'
import type { Tracer } from './contract/tracing.ts'
import { OutboundClient } from './outbound/client.ts'
import type { OutboundGuard } from './outbound/guard.ts'
import { Rounds } from './jobs/rounds.ts'
import { Deliverer } from './webhooks/deliverer.ts'
import { Outbox } from './webhooks/outbox.ts'
import { Webhooks } from './webhooks/webhooks.ts'

const TIDYING_INTERVAL_MS = 3_600_000

export interface WebhookPlace {
  readonly config: Config
  readonly logger: Logger
  readonly guard: OutboundGuard
  readonly apiKeys: ApiKeys
  readonly results: Results
  readonly tracer: Tracer
}

/** What the API needs of webhooks, and what makes the deliveries: in each process that serves the API, as long as the stack. */
export async function startWebhooks(
  { database, jobs, payloads, signingSecret }: Backend,
  { config, logger, guard, apiKeys, results, tracer }: WebhookPlace,
  stack: AsyncDisposableStack,
): Promise<Webhooks> {
  const client = stack.use(new OutboundClient({ guard }))
  const outbox = new Outbox(database)
  if (config.jobs.databaseUrl === null) await outbox.recover()
  const { pollUrlTtlSeconds } = config.server
  const webhooks = new Webhooks({ database, guard, client, ring: () => deliverer.ring() })
  const deliverer = stack.use(
    new Deliverer({
      ...{ jobs, outbox, client, logger, tracer, news: jobs },
      defaults: webhooks.defaults,
      secrets: webhooks.secrets,
      links: async ({ id: jobId, keyId: owner, base }) => {
        if ((await apiKeys.generation(owner)) === undefined) return null
        const context = { apiKeys, signingSecret, settings: { pollUrlTtlSeconds } }
        return { GET: await pollUrlBelow(base, { jobId, owner }, context) }
      },
      result: async (key, maxBytes) => {
        const size = await payloads.size(key)
        return size === undefined || size > maxBytes ? null : await results.json(key)
      },
    }),
  )
  const onError = (error: unknown): void =>
    logger.error({ err: error }, 'tidying up webhooks failed; it is tried again')
  stack.use(new Rounds({ intervalMs: TIDYING_INTERVAL_MS, run: () => outbox.forgetStray(), onError }))
  return webhooks
}
