import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import type { Static } from 'typebox'
import type { Transcript } from '../../contract/transcript.ts'
import type { Family } from '../../models/family.ts'
import { TRANSCRIPT_FORMATS, formatTranscript } from '../../transcript/formats.ts'
import { requireModel } from '../authentication/principal.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { goneOf } from '../http/gone.ts'
import { keepWaiting } from '../jobs/attended-job.ts'
import { FormReceiver } from '../openai/receive-form.ts'
import { noteJob, traceparentOf } from '../http/tracing.ts'
import { startJob, transcriptOf } from '../openai/waited-job.ts'
import { errors } from '../schemas.ts'
import { addBasicKeys } from './basic-key.ts'
import { asWav } from './raw-samples.ts'

/** Of the recording, for its language. */
const DETECTED_SECONDS = 30

/** As Python and JavaScript write them into a query. */
const Flag = (description: string) =>
  Type.Optional(Type.Enum(['true', 'false', 'True', 'False', '1', '0', ''], { description }))
const TEXT = { maxLength: 10_000 }

const ENCODE = 'Whether the recording is a file, of any format; false: bare samples of 16 kHz, mono, 16 bits.'

const AsrQuery = Type.Object({
  encode: Flag(ENCODE),
  task: Type.Optional(Type.Enum(['transcribe', 'translate', ''], { default: 'transcribe' })),
  language: Type.Optional(Type.String(TEXT)),
  initial_prompt: Type.Optional(Type.String(TEXT)),
  vad_filter: Flag('Taken, and without effect.'),
  word_timestamps: Flag('Whether each word has its time in json, and subtitles are cut by words.'),
  output: Type.Optional(Type.Enum([...TRANSCRIPT_FORMATS, ''], { default: 'txt' })),
  diarize: Flag('Speakers are not told apart: true is refused.'),
})

const DetectQuery = Type.Object({ encode: Flag(ENCODE) })

const FORM =
  'As whisper-asr-webservice has it: a form with the recording as audio_file, and all options in the query. The API key may also be the ' +
  'password of Basic authentication, for clients that are given nothing but a URL: http://sotto:<key>@host.'

/** The routes of whisper-asr-webservice, which subtitle managers call. */
export function asrRoutes(context: ApiContext): FastifyPluginCallbackTypebox {
  return (api, _options, done) => {
    api.removeAllContentTypeParsers()
    api.addContentTypeParser('*', (_request, payload, parsed) => parsed(null, payload))
    addBasicKeys(api)
    const receiver = new FormReceiver(context, 'audio_file')
    api.post(
      '/asr',
      {
        onRequest: (request, _reply, next) => {
          receiver.requireRoom(request)
          next()
        },
        schema: {
          tags: ['whisper-asr-webservice'],
          summary: 'Transcribe, as whisper-asr-webservice does',
          description: FORM,
          querystring: AsrQuery,
          response: {
            200: Type.Unknown({ description: 'The transcript, as a text file in the format of output.' }),
            ...errors(400, 401, 408, 413, 415, 422, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const { query } = request
        if (isOn(query.diarize)) throw new ApiError(400, 'diarize takes false: speakers are not told apart here.')
        const asked = { input: inputOf(query), convert: converter(query.encode) }
        const { transcript, fileName } = await transcribe(request, reply, asked, receiver, context)
        const output = query.output === undefined || query.output === '' ? 'txt' : query.output
        return await reply
          .type('text/plain; charset=utf-8')
          .header('asr-engine', 'sotto')
          .header('content-disposition', `attachment; filename="${encodeURIComponent(fileName)}.${output}"`)
          .send(formatTranscript(transcript, output))
      },
    )
    api.post(
      '/detect-language',
      {
        onRequest: (request, _reply, next) => {
          receiver.requireRoom(request)
          next()
        },
        schema: {
          tags: ['whisper-asr-webservice'],
          summary: 'Detect the language of the first 30 seconds, as whisper-asr-webservice does',
          description: FORM,
          querystring: DetectQuery,
          response: {
            200: Type.Object({
              detected_language: Type.String({ examples: ['english'] }),
              language_code: Type.String({ examples: ['en'] }),
            }),
            ...errors(400, 401, 408, 413, 415, 422, 429, 503),
          },
        },
      },
      async (request, reply) => {
        const asked = { input: DETECTION, convert: converter(request.query.encode, DETECTED_SECONDS) }
        const { transcript, family } = await transcribe(request, reply, asked, receiver, context)
        const code = transcript.language ?? ''
        return { detected_language: family.languageName(code) ?? code, language_code: code }
      },
    )
    done()
  }
}

/** Language is what a transcription begins with: one token of it is enough. */
const DETECTION = {
  ...{ clip_timestamps: [0, DETECTED_SECONDS], sample_len: 1, without_timestamps: true },
  temperature_increment_on_fallback: null,
}

function inputOf(query: Static<typeof AsrQuery>): Readonly<Record<string, unknown>> {
  const { task, language, initial_prompt: prompt, word_timestamps: words } = query
  return {
    ...(task === undefined || task === '' ? {} : { task }),
    ...(language === undefined ? {} : { language }),
    ...(prompt === undefined || prompt === '' ? {} : { initial_prompt: prompt }),
    ...(isOn(words) ? { word_timestamps: true } : {}),
  }
}

function isOn(flag: string | undefined): boolean {
  return flag !== undefined && /^(?:true|1)$/i.test(flag)
}

type Convert = (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>

function converter(encode: string | undefined, maxSeconds?: number): Convert {
  const isFile = encode === undefined || encode === '' || isOn(encode)
  return (bytes) => (isFile ? bytes : asWav(bytes, maxSeconds))
}

interface Asked {
  readonly input: Readonly<Record<string, unknown>>
  readonly convert: Convert
}

async function transcribe(
  request: FastifyRequest,
  reply: FastifyReply,
  { input: given, convert }: Asked,
  receiver: FormReceiver,
  context: ApiContext,
): Promise<{ readonly transcript: Transcript; readonly family: Family; readonly fileName: string }> {
  const gone = goneOf(reply)
  const model = await context.names.defaultModel()
  requireModel(request, model.id)
  const family = await context.familyOf(model)
  // Before the recording comes: all that is asked for is in the query.
  const input = family.parameters.parse(given, model)
  const { payloadKey, fileName } = await receiver.receive(request, () => Promise.resolve(true), convert)
  const { owner } = request
  keepWaiting(reply, context.settings.openai.timeoutMs)
  const asked = { owner, model, input, tier: undefined, payloadKey, fileName, traceparent: traceparentOf(request) }
  const job = await startJob(asked, gone, context)
  noteJob(request, job.id)
  void reply.header('x-sotto-job-id', job.id)
  return { transcript: await transcriptOf(await job.ended, context), family, fileName }
}
