import type { FastifyReply } from 'fastify'
import type { ApiContext } from '../context.ts'
import type { WaitedJob } from './waited-job.ts'

export async function answerStream(reply: FastifyReply, job: WaitedJob, context: ApiContext): Promise<FastifyReply> {
  void job; void context
  return reply
}
