import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { followJob } from '../../jobs/events/follow.ts'
import { ignore } from '../bodies/arriving.ts'
import type { ApiContext } from '../context.ts'
import { isSettledWithin } from './patience.ts'
import { streamedErrorOf } from './errors.ts'
import { transcriptOf } from './waited-job.ts'
import type { TranscriptSource, WaitedJob } from './waited-job.ts'

/** So long an error still has a status of its own; and so often what waits for text is told that somebody is there. */
const SILENCE_MS = 15_000

/**
 * Answers with events, as OpenAI's clients read them: the text of each window when it is finished, then all of it. What goes wrong before the
 * first of them is an ordinary error, and later one that stands in an event.
 */
export async function answerStream(
  reply: FastifyReply,
  job: WaitedJob,
  context: Pick<ApiContext, 'jobs'> & TranscriptSource,
  silenceMs = SILENCE_MS,
): Promise<FastifyReply> {
  const left = new AbortController()
  const deltas = deltasOf(job.id, context, left.signal)
  const first = begun(deltas)
  if (await isSettledWithin(first, silenceMs)) {
    try {
      const { done } = await first
      // Nothing was said: there is no transcript, or an empty one.
      if (done === true) await transcriptOf(await job.ended, context)
    } catch (error) {
      left.abort()
      throw error
    }
  }
  const events = async function* (): AsyncGenerator<string> {
    try {
      for (let next = first; ; next = begun(deltas)) {
        while (!(await isSettledWithin(next, silenceMs))) yield ': it goes on\n\n'
        const { done, value } = await next
        if (done === true) break
        yield eventOf({ type: 'transcript.text.delta', delta: value })
      }
      const { text } = await transcriptOf(await job.ended, context)
      yield eventOf({ type: 'transcript.text.done', text: text.trim() })
      yield 'data: [DONE]\n\n'
    } catch (error) {
      reply.log.warn({ err: error, job: job.id }, 'a stream of text broke off')
      yield eventOf({ error: streamedErrorOf(error) })
    } finally {
      left.abort()
    }
  }
  return await reply
    .type('text/event-stream; charset=utf-8')
    // nginx would collect it otherwise.
    .header('x-accel-buffering', 'no')
    .send(Readable.from(events(), { objectMode: false }))
}

function eventOf(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

/** The next one, which may fail while nobody waits for it. */
function begun(deltas: AsyncGenerator<string, void>): Promise<IteratorResult<string, void>> {
  const next = deltas.next()
  next.catch(ignore)
  return next
}

/**
 * The text of a job as it is told, once: what a later run tells again, after a crash, is left out. The blank before the first word is no
 * part of OpenAI's text.
 */
async function* deltasOf(
  jobId: string,
  { jobs }: Pick<ApiContext, 'jobs'>,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  let told = 0
  let isBegun = false
  for await (const { passage } of followJob(jobs, jobId, { signal })) {
    if (passage === null) continue
    const { firstSegment, segments } = passage
    const text = segments
      .slice(Math.max(0, told - firstSegment))
      .map((segment) => segment.text)
      .join('')
    told = Math.max(told, firstSegment + segments.length)
    const delta: string = isBegun ? text : text.trimStart()
    isBegun ||= delta !== ''
    if (delta !== '') yield delta
  }
}
