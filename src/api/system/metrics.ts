import type { FastifyInstance, onResponseHookHandler } from 'fastify'
import { Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import { SERVICE_TIERS } from '../../jobs/job.ts'
import type { QueueTotal } from '../../jobs/queue/queue-view.ts'
import type { ApiContext } from '../context.ts'
import { Observations } from './observations.ts'
import { sharedAnswer } from '../shared-answer.ts'

/** The counts of the queue are cached for so long. */
const COUNTED_MS = 5000
/** The whole page is cached too: it is open to all. */
const FRESH_MS = 1000

/** What Prometheus scrapes: requests of this server, and the queue and workers of all servers on the database. */
export function addMetrics(
  api: FastifyInstance,
  context: Pick<ApiContext, 'queue' | 'workers' | 'webhooks' | 'metrics' | 'logger'>,
): void {
  const { metrics: registry } = context
  addRequests(api, registry)
  addQueue(registry, context)
  addDeliveries(registry, context)
  const text = sharedAnswer(FRESH_MS, () => registry.metrics())
  const config = { access: 'open', unlimited: true, untraced: true } as const
  api.get('/metrics', { schema: { hide: true }, config }, async (_request, reply) => {
    return await reply.type(registry.contentType).send(await text())
  })
}

function addRequests(api: FastifyInstance, registry: Registry): void {
  const durations = new Histogram({
    name: 'sotto_http_request_duration_seconds',
    help: 'How long requests took, uploads included.',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600],
    registers: [registry],
    collect: () => {
      for (const observations of all) observations.flush()
    },
  })
  const all: Observations[] = []
  // A hook for each route: a common one would have to look the route and its labels up, which takes longer than counting.
  api.addHook('onRoute', (route) => {
    const byStatus = new Map<number, Observations>()
    const observe: onResponseHookHandler = (_request, { statusCode, elapsedTime }, done) => {
      let observations = byStatus.get(statusCode)
      if (observations === undefined) {
        const labels = { method: String(route.method), route: route.url, status: statusCode }
        observations = new Observations((ms) => durations.observe(labels, ms / 1000))
        byStatus.set(statusCode, observations)
        all.push(observations)
      }
      observations.add(elapsedTime)
      done()
    }
    route.onResponse = [observe, ...[route.onResponse ?? []].flat()]
  })
  api.addHook('onResponse', (request, { statusCode: status, elapsedTime }, done) => {
    if (request.is404) durations.observe({ method: request.method, route: 'unknown', status }, elapsedTime / 1000)
    done()
  })
}

/** While the database is away these have no values, and all else is there: it is wanted most then. */
function addQueue(
  registry: Registry,
  { queue, workers, logger }: Pick<ApiContext, 'queue' | 'workers' | 'logger'>,
): void {
  const labelNames = ['model', 'tier', 'status'] as const
  const totals = sharedAnswer(COUNTED_MS, () => queue.totals())
  const orNone = async <Found>(found: Promise<readonly Found[]>): Promise<readonly Found[]> => {
    try {
      return await found
    } catch (error) {
      logger.warn({ err: error }, 'the queue could not be counted for /metrics')
      return []
    }
  }
  const gauge = (name: string, help: string, valueOf: (total: QueueTotal) => number): Gauge =>
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset()
        for (const total of await orNone(totals())) {
          const { model, serviceTier: tier, status } = total
          this.set({ model, tier, status }, valueOf(total))
        }
      },
    })
  gauge('sotto_queue_jobs', 'Jobs that wait (pending) or run (processing).', ({ jobs }) => jobs)
  gauge(
    'sotto_queue_audio_seconds',
    'Seconds of audio of these jobs that are still to be transcribed: what to scale workers by.',
    ({ audioSeconds }) => audioSeconds,
  )
  const present: Gauge<'tier'> = new Gauge({
    name: 'sotto_workers',
    help: 'Workers that take jobs of a tier.',
    labelNames: ['tier'] as const,
    async collect() {
      this.reset()
      const there = await workers.list().catch(() => undefined)
      if (there === undefined) return
      for (const tier of SERVICE_TIERS) this.set({ tier }, there.filter(({ asked }) => asked.includes(tier)).length)
    },
    registers: [],
  })
  registry.registerMetric(present)
}

/** It grows while receivers do not answer. */
function addDeliveries(registry: Registry, { webhooks, logger }: Pick<ApiContext, 'webhooks' | 'logger'>): void {
  const pending = sharedAnswer(COUNTED_MS, () => webhooks.log.pending())
  const gauge: Gauge = new Gauge({
    name: 'sotto_webhook_deliveries_pending',
    help: 'Deliveries of webhooks that are still to be made, those that wait for their next attempt included.',
    registers: [],
    async collect() {
      try {
        this.set(await pending())
      } catch (error) {
        this.remove()
        logger.warn({ err: error }, 'the deliveries of webhooks could not be counted for /metrics')
      }
    },
  })
  registry.registerMetric(gauge)
}
