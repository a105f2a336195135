import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fastify from 'fastify'
import type { FastifyReply } from 'fastify'
import { expect, test } from 'vitest'
import type { Passage, Transcript } from '../../contract/transcript.ts'
import { isFinished } from '../../jobs/job.ts'
import type { Job, JobError } from '../../jobs/job.ts'
import type { Lease } from '../../jobs/job-store.ts'
import { claimed, running } from '../../jobs/running-job.fixture.ts'
import { SqlJobStore } from '../../jobs/sql/sql-store.ts'
import { openSqlite } from '../../jobs/sqlite/database.ts'
import { handleError } from '../errors/error-handler.ts'
import { answerOpenAiError } from './errors.ts'
import { answerStream } from './streamed-answer.ts'
import { answerWhole } from './whole-answer.ts'

const TRANSCRIPT: Transcript = { text: ' One. Two.', duration: 60, segments: [] }
const results = { transcript: () => Promise.resolve(TRANSCRIPT) }

type Asked = Parameters<typeof answerWhole>[1]
type Answer = (reply: FastifyReply, job: Asked, jobs: SqlJobStore) => Promise<FastifyReply>

/** A job that runs, and a server whose one route is answered with what becomes of it. */
async function serve(answer: Answer) {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'sotto-late-')))
  const jobs = new SqlJobStore(stack.use(await openSqlite(folder.path)))
  const { lease } = await running(jobs)
  const { promise: ended, resolve } = Promise.withResolvers<Job | undefined>()
  const api = fastify()
  api.setErrorHandler((error, request, reply) => answerOpenAiError(error, request, reply, handleError))
  api.get('/v1/audio/x', async (_request, reply) => await answer(reply, { id: lease.jobId, ended }, jobs))
  const url = await api.listen({ host: '127.0.0.1', port: 0 })
  stack.defer(() => api.close())
  const parts = stack.move()
  return {
    ...{ jobs, lease },
    get: () => fetch(`${url}/v1/audio/x`),
    /** The job has ended as the store has it by now. */
    end: async (): Promise<void> => {
      const job = await jobs.find(lease.jobId)
      expect(isFinished(job?.status ?? 'pending')).toBe(true)
      resolve(job)
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

const whole =
  (mayBeginBlank: boolean): Answer =>
  (reply, job) =>
    answerWhole(
      reply,
      job,
      { contentType: 'application/json', mayBeginBlank, format: ({ text }) => JSON.stringify({ text }) },
      { results },
      { firstMs: 1, nextMs: 1 },
    )

const streamed: Answer = (reply, job, jobs) => answerStream(reply, job, { jobs, results }, 5)
/** Whose silence is never filled. */
const patient: Answer = (reply, job, jobs) => answerStream(reply, job, { jobs, results }, 600_000)

async function readUntil(response: Response, isEnough: (text: string) => boolean): Promise<() => Promise<string>> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const more = async (): Promise<boolean> => {
    const { done = true, value = '' } = (await reader?.read()) ?? {}
    text += value
    return !done
  }
  while (!isEnough(text) && (await more()));
  return async () => {
    while (await more());
    return text
  }
}

const ERROR: JobError = { code: 'engine.crashed', message: 'It crashed.' }

function passage(firstSegment: number, ...texts: readonly string[]): Passage {
  return { firstSegment, segments: texts.map((text, n) => ({ id: firstSegment + n, start: 0, end: 1, text })) }
}

async function keep(jobs: SqlJobStore, lease: Lease, ordinal: number, told: Passage): Promise<void> {
  expect(await jobs.keepWindow(lease, ordinal, '{}', 30 * (ordinal + 1), told)).toBe(true)
}

test('JSON that is long in coming begins with blanks, and is whole', async () => {
  await using served = await serve(whole(true))
  const rest = await readUntil(await served.get(), (text) => text.length >= 3)
  await served.jobs.succeed(served.lease, 'results/1.json')
  await served.end()
  const text = await rest()
  expect(text).toMatch(/^ {3,}\{/)
  expect(JSON.parse(text)).toEqual({ text: TRANSCRIPT.text })
})

test('text that is long in coming has its headers before, and nothing in front of it', async () => {
  await using served = await serve(whole(false))
  const response = await served.get()
  expect(response.status).toBe(200)
  await served.jobs.succeed(served.lease, 'results/1.json')
  await served.end()
  expect(await response.json()).toEqual({ text: TRANSCRIPT.text })
})

test.each([true, false])('an answer that has begun breaks off when its job fails', async (mayBeginBlank) => {
  await using served = await serve(whole(mayBeginBlank))
  const response = await served.get()
  await served.jobs.fail(served.lease, ERROR)
  await served.end()
  await expect(response.text()).rejects.toThrow('terminated')
})

test('a stream tells each text once, though a run that came after a crash told it again', async () => {
  await using served = await serve(patient)
  const { jobs, lease } = served
  const response = served.get()
  await keep(jobs, lease, 0, passage(0, ' One.'))
  const rest = await readUntil(await response, (text) => text.includes('One.'))
  await jobs.release(lease)
  const again = await claimed(jobs)
  await keep(jobs, again.lease, 0, passage(0, ' One.'))
  await keep(jobs, again.lease, 1, passage(1, ' Two.'))
  await jobs.succeed(again.lease, 'results/1.json', passage(0, ' One.', ' Two.').segments)
  await served.end()
  const events = (await rest()).split('\n\n').filter((event) => event !== '')
  expect(events).toEqual([
    'data: {"type":"transcript.text.delta","delta":"One."}',
    'data: {"type":"transcript.text.delta","delta":" Two."}',
    'data: {"type":"transcript.text.done","text":"One. Two."}',
    'data: [DONE]',
  ])
})

test('a stream in which nothing is said yet says that it goes on, and then what went wrong', async () => {
  await using served = await serve(streamed)
  const rest = await readUntil(await served.get(), (text) => (text.match(/^: /gm)?.length ?? 0) >= 2)
  await served.jobs.fail(served.lease, ERROR)
  await served.end()
  const events = (await rest()).split('\n\n').filter((event) => event.startsWith('data: '))
  const error = { message: ERROR.message, type: 'server_error', param: null, code: ERROR.code }
  expect(events).toEqual([`data: ${JSON.stringify({ error })}`])
})

test('what goes wrong before a stream has begun has a status', async () => {
  await using served = await serve(patient)
  const response = served.get()
  await served.jobs.fail(served.lease, { code: 'audio.not_media', message: 'It is no sound.' })
  await served.end()
  const { status, headers } = await response
  expect([status, headers.get('x-should-retry'), await (await response).json()]).toEqual([
    ...[400, 'false'],
    { error: { message: 'It is no sound.', type: 'invalid_request_error', param: 'file', code: 'audio.not_media' } },
  ])
})
