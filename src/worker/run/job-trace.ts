import { CodedError } from '../../contract/coded-error.ts'
import type { WeightsFetched } from '../../contract/job-event.ts'
import type { FinishedWindow, RecognitionProgress } from '../../contract/recognition-task.ts'
import { readTraceparent } from '../../contract/tracing.ts'
import type { Span, SpanAttributes, SpanEnd, Tracer } from '../../contract/tracing.ts'
import type { ServiceTier } from '../../contract/service-tier.ts'
import type { ClaimedJob } from '../../jobs/job-store.ts'
import { Stopped } from './settling.ts'

/** What a run of a job does before its first window, one after the other; or all that it sees of another server. */
type Stage = 'weights' | 'load model' | 'decode audio' | 'transcribe elsewhere'

/**
 * One run of a job, as spans of the trace that its submit belongs to, so that the runs of a job that broke off are of one trace. Engines are
 * caged and export nothing: their spans are made here, from what they tell. What it says of the job are ids and numbers.
 */
export class JobTrace {
  readonly #tracer: Tracer
  readonly #run: Span
  #stage: Stage | null = null
  /** When the stage began, in milliseconds since 1970. */
  #sinceMs = 0

  /** @param name what the run is for: to fetch the job's recording, or to transcribe it */
  constructor(tracer: Tracer, { job, lease }: ClaimedJob, name: 'fetch' | 'job') {
    this.#tracer = tracer
    const parent = readTraceparent(job.traceparent)
    const { model, servedTier, audioSeconds } = job
    const attributes = { 'sotto.job.id': job.id, 'sotto.job.attempt': lease.attempt }
    this.#run = tracer.start(name, {
      parent,
      kind: 'consumer',
      attributes: {
        ...attributes,
        'sotto.job.model': model,
        ...tierOf(servedTier),
        'sotto.job.audio_seconds': audioSeconds,
      },
    })
    // Both by the database's clock, which may be another machine's.
    const startMs = job.readyAt.getTime()
    const endMs = Math.max(startMs, job.startedAt?.getTime() ?? startMs)
    tracer.start('queue', { parent: parent ?? this.#run.traceparent, attributes, startMs }).end({ endMs })
  }

  /** Something that the run does by itself. */
  async step<T>(name: string, action: () => Promise<T>): Promise<T> {
    this.#leave()
    const span = this.#tracer.start(name, { parent: this.#run.traceparent })
    try {
      const done = await action()
      span.end()
      return done
    } catch (error) {
      span.end(endOf(error))
      throw error
    }
  }

  /** The recording is there, and is given to whoever transcribes it: an engine, which has its model loaded first, or another server. */
  transcribing(isHere: boolean): void {
    this.#enter(isHere ? 'load model' : 'transcribe elsewhere')
  }

  weights({ receivedBytes, totalBytes }: WeightsFetched): void {
    // What is loaded was to be fetched first.
    this.#stage = 'weights'
    if (receivedBytes < totalBytes) return
    this.#leave({ 'sotto.weights.bytes': totalBytes })
    this.#enter('load model')
  }

  loaded(): void {
    this.#leave()
    this.#enter('decode audio')
  }

  progress({ phase, totalSeconds }: RecognitionProgress): void {
    if (phase === 'decoding' && totalSeconds !== null) this.#leave({ 'sotto.job.audio_seconds': totalSeconds })
  }

  window({ ordinal, seconds, tookMs = 0 }: FinishedWindow): void {
    if (!this.#tracer.isOn) return
    const endMs = Date.now()
    const attributes = { 'sotto.window.ordinal': ordinal, 'sotto.window.done_seconds': seconds }
    const startMs = endMs - (Number.isFinite(tookMs) ? Math.max(0, tookMs) : 0)
    this.#tracer.start('window', { parent: this.#run.traceparent, attributes, startMs }).end({ endMs })
  }

  /** @param how what it did, and why it ended without a result; undefined: it has one */
  end({ attributes, error }: { readonly attributes: SpanAttributes; readonly error?: unknown }): void {
    const end = endOf(error)
    this.#leave({}, end)
    this.#run.set({ ...attributes, 'sotto.job.outcome': outcomeOf(error) })
    this.#run.end(end)
  }

  #enter(stage: Stage): void {
    this.#stage = stage
    this.#sinceMs = Date.now()
  }

  #leave(attributes: SpanAttributes = {}, end: SpanEnd = {}): void {
    if (this.#stage === null) return
    const { traceparent: parent } = this.#run
    const span = this.#tracer.start(this.#stage, { parent, attributes, startMs: this.#sinceMs })
    span.end({ ...end, endMs: Date.now() })
    this.#stage = null
  }
}

function tierOf(tier: ServiceTier | null): SpanAttributes {
  return tier === null ? {} : { 'sotto.job.tier': tier }
}

function outcomeOf(error: unknown): string {
  if (error === undefined) return 'success'
  return error instanceof Stopped ? error.reason : 'error'
}

/** A run that was stopped has not failed. */
function endOf(error: unknown): SpanEnd {
  if (error === undefined || error instanceof Stopped) return {}
  return { error: error instanceof CodedError ? error.code : 'server.failed' }
}
