import { expect, test } from 'vitest'
import { newJob } from '../../jobs/new-job.fixture.ts'
import type { ClaimedJob } from '../../jobs/job-store.ts'
import type { Job } from '../../jobs/job.ts'
import type { SpanAttributes, SpanEnd, SpanOptions, Tracer } from '../../contract/tracing.ts'
import { EngineProcessError } from '../errors.ts'
import { JobTrace } from './job-trace.ts'
import { Stopped } from './settling.ts'

interface Recorded {
  readonly name: string
  readonly traceparent: string
  readonly options: SpanOptions
  attributes: SpanAttributes
  end: SpanEnd | undefined
}

const SUBMIT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
const ACCEPTED = new Date('2026-01-02T03:04:05.000Z')
const STARTED = new Date('2026-01-02T03:04:07.500Z')

function recording(): { readonly tracer: Tracer; readonly spans: Recorded[] } {
  const spans: Recorded[] = []
  const tracer: Tracer = {
    isOn: true,
    start: (name, options) => {
      const traceparent = `00-${'a'.repeat(32)}-${String(spans.length + 1).padStart(16, '0')}-01`
      const span: Recorded = { name, traceparent, options, attributes: { ...options.attributes }, end: undefined }
      spans.push(span)
      return {
        traceparent,
        set: (attributes) => void (span.attributes = { ...span.attributes, ...attributes }),
        end: (end = {}) => void (span.end ??= end),
      }
    },
  }
  return { tracer, spans }
}

function claim(given: Partial<Job> = {}): ClaimedJob {
  const life = {
    status: 'processing',
    servedTier: 'cpuflex',
    attempt: 1,
    readyAt: ACCEPTED,
    acceptedAt: ACCEPTED,
  } as const
  const job = { ...newJob(), ...life, startedAt: STARTED, traceparent: SUBMIT, ...given } as Job
  return { job, lease: { jobId: job.id, token: 'token', attempt: job.attempt } }
}

function ended(spans: readonly Recorded[]): readonly (readonly [name: string, error: string | undefined])[] {
  return spans.filter(({ end }) => end !== undefined).map(({ name, end }) => [name, end?.error])
}

test('a run has its stages one after the other, below the run, which is below the submit', async () => {
  const { tracer, spans } = recording()
  const trace = new JobTrace(tracer, claim(), 'job')
  await trace.step('open recording', async () => undefined)
  trace.transcribing(true)
  for (const receivedBytes of [1, 9, 10]) trace.weights({ receivedBytes, totalBytes: 10 })
  trace.loaded()
  trace.progress({ phase: 'decoding', seconds: 30, totalSeconds: null })
  trace.progress({ phase: 'decoding', seconds: 50, totalSeconds: 50 })
  trace.window({ ...window(0), tookMs: 1000 })
  trace.window(window(1))
  await trace.step('store result', async () => undefined)
  trace.end({ attributes: { 'sotto.job.windows': 2 } })
  const names = ['queue', 'open recording', 'weights', 'load model', 'decode audio', 'window', 'window', 'store result']
  expect(ended(spans)).toEqual(['job', ...names].map((name) => [name, undefined]))
  const [run, queue, ...parts] = spans
  expect([run?.options.parent, queue?.options.parent]).toEqual([SUBMIT, SUBMIT])
  expect([queue?.options.startMs, queue?.end?.endMs]).toEqual([ACCEPTED.getTime(), STARTED.getTime()])
  for (const { options } of parts) expect(options.parent).toBe(run?.traceparent)
  const [first] = parts.filter(({ name }) => name === 'window')
  expect((first?.end?.endMs ?? 0) - (first?.options.startMs ?? 0)).toBe(1000)
  expect(run?.attributes).toMatchObject({ 'sotto.job.windows': 2, 'sotto.job.outcome': 'success' })
})

test('a run that breaks off has failed, with what it was doing', () => {
  const { tracer, spans } = recording()
  const trace = new JobTrace(tracer, claim(), 'job')
  trace.transcribing(true)
  trace.loaded()
  trace.end({
    attributes: { 'sotto.job.windows': 0 },
    error: new EngineProcessError('engine.crashed', 'It died of what is secret.'),
  })
  expect(ended(spans).slice(-1)).toEqual([['decode audio', 'engine.crashed']])
  expect(spans[0]).toMatchObject({ end: { error: 'engine.crashed' }, attributes: { 'sotto.job.outcome': 'error' } })
  expect(JSON.stringify(spans)).not.toContain('secret')
})

test('a run that was stopped has not failed, and says why it ended', () => {
  const { tracer, spans } = recording()
  const trace = new JobTrace(tracer, claim(), 'job')
  trace.transcribing(false)
  trace.end({ attributes: { 'sotto.job.windows': 0 }, error: new Stopped('cancelled') })
  expect(ended(spans)).toEqual(['job', 'queue', 'transcribe elsewhere'].map((name) => [name, undefined]))
  expect(spans[0]?.attributes).toMatchObject({ 'sotto.job.outcome': 'cancelled' })
})

test('a job whose submit was not traced is a trace of its own, with its time in the queue', () => {
  const { tracer, spans } = recording()
  new JobTrace(tracer, claim({ traceparent: null }), 'job').end({ attributes: { 'sotto.job.windows': 0 } })
  expect(spans.map(({ options }) => options.parent)).toEqual([null, spans[0]?.traceparent])
})

function window(ordinal: number) {
  const passage = { segments: [], firstSegment: 0 }
  return { ordinal, seconds: 30 * (ordinal + 1), resumePoint: { family: 'whisper', version: 1, data: {} }, passage }
}
