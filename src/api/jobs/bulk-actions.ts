import { createHash } from 'node:crypto'
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static } from 'typebox'
import { FINISHED_STATUSES, isFinished } from '../../jobs/job.ts'
import type { JobStatus } from '../../jobs/job.ts'
import type { Idempotency } from '../../jobs/job-store.ts'
import { CURSOR_PATTERN, parseCursor } from '../../jobs/reading/cursor.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { goneOf } from '../http/gone.ts'
import { loggedRefusal } from '../errors/error-handler.ts'
import { nullable } from '../nullable.ts'
import { IdempotencyHeader, errors } from '../schemas.ts'
import { filterFields, filterOf } from './job-filter.ts'
import { MetadataField } from './job-labels.ts'
import { idempotencyOf } from './job-options.ts'
import { findOwnJob } from './own-job.ts'
import { retryJob } from './retry.ts'

/** Of one request, so that it ends in seconds. */
const MAX_JOBS = 200
const JOBS_AT_ONCE = 10

const ACTIONS = ['cancel', 'retry', 'remove'] as const
type Action = (typeof ACTIONS)[number]

/** Which jobs an action is for when the filter names no status, and which it can be for. */
const STATUSES: Readonly<
  Record<Action, { readonly usual: readonly JobStatus[]; readonly possible: readonly JobStatus[] }>
> = {
  cancel: { usual: ['pending', 'processing'], possible: ['pending', 'processing'] },
  retry: { usual: ['failed', 'cancelled'], possible: FINISHED_STATUSES },
  remove: { usual: FINISHED_STATUSES, possible: FINISHED_STATUSES },
}

const ActionsBody = Type.Object(
  {
    action: Type.Enum(ACTIONS),
    ids: Type.Optional(
      Type.Array(Type.String({ maxLength: 100 }), {
        minItems: 1,
        maxItems: MAX_JOBS,
        description: 'Of the jobs; either this or `filter`.',
      }),
    ),
    filter: Type.Optional(
      Type.Object(
        { ...filterFields, metadata: Type.Optional(MetadataField) },
        {
          additionalProperties: false,
          description:
            `The jobs that a list with this filter has, the newest first, ${MAX_JOBS} at most. Without \`status\`: cancel is for those that ` +
            'wait or run, retry for those that failed or were cancelled, remove for those that have finished.',
        },
      ),
    ),
    cursor: Type.Optional(
      Type.String({ pattern: CURSOR_PATTERN, description: 'With `filter`: the `next` of the answer before.' }),
    ),
  },
  { additionalProperties: false },
)

const Outcome = Type.Object({
  id: Type.String(),
  code: Type.Integer({ description: 'The HTTP status that the action on this job alone would be answered with.' }),
  message: Type.Optional(Type.String({ description: 'From 400 on: what is wrong, and what to do.' })),
  newId: Type.Optional(Type.String({ description: 'Of a retry: the id of the new job.' })),
})
type Outcome = Static<typeof Outcome>

/** Cancels, submits again or removes many jobs. */
export function bulkActionRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.post(
      '/v1/async/requests/actions',
      {
        schema: {
          tags: ['Async API'],
          summary: 'Cancel, retry or remove many jobs',
          description:
            'Each by itself: that one is refused keeps no other. With the header Idempotency-Key, a retry that is sent again makes no ' +
            'more jobs.',
          headers: IdempotencyHeader,
          body: ActionsBody,
          response: {
            200: Type.Object({
              results: Type.Array(Outcome),
              next: nullable(
                Type.String({
                  description: 'With `filter`: send the request again with this `cursor`; null: these were all.',
                }),
              ),
            }),
            ...errors(400, 401, 503),
          },
        },
      },
      async (request, reply) => {
        const { body, owner } = request
        // Bound to each job below, so what else is asked for counts for nothing here.
        const idempotency = idempotencyOf(request, body.action)
        const { ids, next } = await jobsOf(body, owner, context)
        const act = actionOf(body.action, { request, idempotency, gone: goneOf(reply) }, context)
        const results: Outcome[] = []
        for (let start = 0; start < ids.length; start += JOBS_AT_ONCE) {
          // Nobody would hear what became of the rest.
          if (reply.raw.destroyed) break
          const some = ids.slice(start, start + JOBS_AT_ONCE)
          results.push(...(await Promise.all(some.map((id) => outcomeOf(id, act, request)))))
        }
        if (body.action === 'remove') context.clearGarbage()
        return { results, next }
      },
    )
    done()
  }
}

/** @throws ApiError 400 */
async function jobsOf(
  { action, ids, filter, cursor }: Static<typeof ActionsBody>,
  owner: string,
  { jobs }: ApiContext,
): Promise<{ readonly ids: readonly string[]; readonly next: string | null }> {
  if ((ids === undefined) === (filter === undefined) || (ids !== undefined && cursor !== undefined)) {
    throw new ApiError(400, 'An action takes either ids, or a filter with or without a cursor.')
  }
  if (filter === undefined) return { ids: [...new Set(ids)], next: null }
  const { metadata = {}, ...fields } = filter
  const asked = filterOf(fields, metadata)
  const { usual, possible } = STATUSES[action]
  const statuses = (asked.statuses ?? usual).filter((status) => possible.includes(status))
  if (statuses.length === 0) {
    throw new ApiError(400, `${action} is for jobs that are ${possible.join(', ')}; filter.status names none of these.`)
  }
  const from = parseCursor(cursor ?? '')
  const page = await jobs.list(owner, {
    ...asked,
    statuses,
    limit: MAX_JOBS,
    ...(from === undefined ? {} : { cursor: from }),
  })
  return { ids: page.jobs.map(({ id }) => id), next: page.next }
}

type Act = (id: string) => Promise<Omit<Outcome, 'id'>>

interface Asked {
  readonly request: FastifyRequest
  readonly idempotency: Idempotency | null
  /** Aborted when the client leaves. */
  readonly gone: AbortSignal
}

function actionOf(action: Action, { request, idempotency, gone }: Asked, context: ApiContext): Act {
  const { jobs } = context
  const { owner } = request
  const find = (id: string) => findOwnJob(jobs, id, owner)
  switch (action) {
    case 'cancel':
      return async (id) => {
        const { status } = (await jobs.cancel((await find(id)).id)) ?? (await find(id))
        if (status === 'success' || status === 'failed') throw new ApiError(409, `The job has finished (${status}).`)
        return { code: 200 }
      }
    case 'remove':
      return async (id) => {
        const { status } = await find(id)
        if (!isFinished(status)) throw new ApiError(409, `The job has not finished (${status}). Cancel it first.`)
        await jobs.remove(id)
        return { code: 204 }
      }
    case 'retry':
      return async (id) => {
        const own = idempotency === null ? null : idempotencyFor(id, idempotency)
        const { job } = await retryJob(await find(id), { changes: {}, idempotency: own, request }, context, gone)
        return { code: 202, newId: job.id }
      }
  }
}

/** A key of each job's own, of the one that the request has. */
function idempotencyFor(id: string, { key, requestHash }: Idempotency): Idempotency {
  const digest = createHash('sha256')
    .update(JSON.stringify([key, id]))
    .digest('hex')
  return { key: `action-${digest}`, requestHash }
}

async function outcomeOf(id: string, act: Act, request: FastifyRequest): Promise<Outcome> {
  try {
    return { id, ...(await act(id)) }
  } catch (error) {
    const { status: code, message } = loggedRefusal(error, request)
    return { id, code, message }
  }
}
