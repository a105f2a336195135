import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Transcript } from '../../contract/transcript.ts'
import { isSettledWithin } from './patience.ts'
import { transcriptOf } from './waited-job.ts'
import type { TranscriptSource, WaitedJob } from './waited-job.ts'

/** Proxies give up after a minute without a byte, as nginx does unless it is told otherwise. */
const FIRST_BLANK_MS = 45_000
const NEXT_BLANK_MS = 15_000
/** Node's fetch gives up after 300 s without headers, and after as long without a byte of the body. */
const LATE_HEADERS_MS = 240_000

export interface AnswerWay {
  readonly contentType: string
  /** Whether blanks before it change nothing, as before JSON. */
  readonly mayBeginBlank: boolean
  readonly format: (transcript: Transcript) => string
}

/**
 * Answers when the job has ended. Where that takes long the answer is begun before, so that neither the client nor a proxy takes the server
 * for dead: JSON with a blank now and then, all else with its headers. Then a job that fails has no status any more to tell that by, and
 * its connection breaks off.
 */
export async function answerWhole(
  reply: FastifyReply,
  job: WaitedJob,
  way: AnswerWay,
  context: TranscriptSource,
  { firstMs = way.mayBeginBlank ? FIRST_BLANK_MS : LATE_HEADERS_MS, nextMs = NEXT_BLANK_MS } = {},
): Promise<FastifyReply> {
  void reply.type(way.contentType)
  const answer = async (): Promise<string> => way.format(await transcriptOf(await job.ended, context))
  if (await isSettledWithin(job.ended, firstMs)) return await reply.send(await answer())
  const late = async function* (): AsyncGenerator<string> {
    // The headers are set by now: what is sent begins to be read with them.
    if (!way.mayBeginBlank) reply.raw.flushHeaders()
    else {
      do yield ' '
      while (!(await isSettledWithin(job.ended, nextMs)))
    }
    yield await answer()
  }
  return await reply.send(Readable.from(late(), { objectMode: false }))
}
