import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { TierQuery } from '../schemas.ts'
import { requireModel } from '../authentication/principal.ts'
import type { ApiContext } from '../context.ts'
import { goneOf } from '../http/gone.ts'
import { noteJob, traceparentOf } from '../http/tracing.ts'
import { keepWaiting } from '../jobs/attended-job.ts'
import { formatAnswer } from './answers.ts'
import { openAiErrors } from './error-schemas.ts'
import { answerWhole } from './whole-answer.ts'
import { answerStream } from './streamed-answer.ts'
import { addAnswerHeaders } from './headers.ts'
import { readOptions } from './options.ts'
import type { AskedAnswer, AudioTask } from './options.ts'
import { FormReceiver } from './receive-form.ts'
import { startJob } from './waited-job.ts'

const DESCRIPTION =
  'As OpenAI’s API has it: a multipart/form-data form with the recording as file, a model, and any of its other fields. ' +
  'docs/openai.md says what differs.'

/** OpenAI's routes for audio: a recording in, its transcript out, through the same jobs as the Async API. */
export function transcriptionRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.removeAllContentTypeParsers()
    api.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))
    addAnswerHeaders(api)
    const receiver = new FormReceiver(context, 'file')
    const routes = [
      ['transcriptions', 'transcribe', 'Transcribe, as OpenAI’s clients ask for it'],
      ['translations', 'translate', 'Translate into English, as OpenAI’s clients ask for it'],
    ] as const
    for (const [name, task, summary] of routes) {
      api.post(
        `/v1/audio/${name}`,
        {
          // Before the client is told to send its body.
          onRequest: (request, _reply, next) => {
            receiver.requireRoom(request)
            next()
          },
          schema: {
            tags: ['OpenAI’s API'],
            summary,
            description: DESCRIPTION,
            querystring: TierQuery,
            response: {
              200: Type.Unknown({
                description: 'JSON, text, or a stream of events, as response_format and stream say.',
              }),
              ...openAiErrors(400, 401, 403, 404, 408, 413, 415, 429, 500, 503),
            },
          },
        },
        async (request, reply) =>
          await answer(request, reply, { task, tier: request.query.serviceTier }, receiver, context),
      )
    }
    done()
  }
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  { task, tier }: { readonly task: AudioTask; readonly tier: 'cpuflex' | 'gpuflex' | undefined },
  receiver: FormReceiver,
  context: ApiContext,
): Promise<FastifyReply> {
  const gone = goneOf(reply)
  const { asked, payloadKey, fileName } = await receiver.receive(request, async (fields) => {
    const options = await readOptions(fields, task, context)
    requireModel(request, options.model.id, fields.text('model'))
    return options
  })
  const { model, input } = asked
  keepWaiting(reply, context.settings.openai.timeoutMs)
  const traceparent = traceparentOf(request)
  const recording = { payloadKey, fileName }
  const job = await startJob({ owner: request.owner, model, input, tier, ...recording, traceparent }, gone, context)
  noteJob(request, job.id)
  void reply.header('x-sotto-job-id', job.id)
  return asked.isStreamed
    ? await answerStream(reply, job, context)
    : await answerWhole(reply, job, wayOf(asked), context)
}

function wayOf(asked: AskedAnswer): Parameters<typeof answerWhole>[2] {
  const isJson = asked.format === 'json' || asked.format === 'verbose_json'
  return {
    // Text formats are what OpenAI sends them as: a file's type would have browsers save it.
    contentType: isJson ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8',
    mayBeginBlank: isJson,
    format: (transcript) => formatAnswer(transcript, asked),
  }
}
