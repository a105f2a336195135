import { Readable } from 'node:stream'
import type { Logger } from 'pino'
import { CodedError } from '../../contract/coded-error.ts'
import { resultKeyOf } from '../../jobs/result-key.ts'
import type { ClaimedJob, JobStore } from '../../jobs/job-store.ts'
import type { PayloadStore } from '../../payloads/payload-store.ts'
import type { RecognitionProgress } from '../../contract/recognition-task.ts'
import { NO_TRACER } from '../../contract/tracing.ts'
import type { Tracer } from '../../contract/tracing.ts'
import { passageOf } from '../../contract/transcript.ts'
import type { Transcript } from '../../contract/transcript.ts'
import type { Admission } from '../admission/scheduler.ts'
import { JobTrace } from './job-trace.ts'
import { KeptWindows } from './kept-windows.ts'
import { LeaseWatch } from './lease-watch.ts'
import type { MeteredRun, SpeedMeter } from './speed-meter.ts'
import { requireTranscript } from './require-transcript.ts'
import { Stopped, settle, untilSettled } from './settling.ts'
import type { Transcriber } from '../transcriber.ts'
import { TrueLength } from './true-length.ts'
import { DownloadNotes } from './download-notes.ts'
import type { WeightsFetched } from '../../contract/job-event.ts'

class UnreadableJob extends CodedError<'job.unreadable'> {
  override readonly name = 'UnreadableJob'
  constructor() {
    super('job.unreadable', 'What is stored of the job is damaged. Submit the recording again.')
  }
}

export interface JobRunOptions {
  readonly jobs: JobStore
  readonly payloads: PayloadStore
  readonly transcriber: Transcriber
  readonly logger: Logger
  readonly leaseMs: number
  /** How long one run may take, whatever its client allows; null: as long as it takes. */
  readonly maxRunMs: number | null
  /** Retryable errors, and crashes of the engine, that a job may have before it fails. */
  readonly limits: { readonly failures: number; readonly crashes: number }
  readonly speed: SpeedMeter
  /** Default: none. */
  readonly tracer?: Tracer
}

/** One claimed job, from its lease to its settling. */
export class JobRun {
  readonly #options: JobRunOptions
  readonly #claimed: ClaimedJob
  readonly #admission: Pick<Admission, 'engine'> | null
  readonly #watch: LeaseWatch
  readonly #logger: Logger
  readonly #windows: KeptWindows
  readonly #length: TrueLength
  readonly #weights: DownloadNotes<WeightsFetched>
  readonly #trace: JobTrace
  /** Seconds of audio that the speed meter knows of, those of earlier runs included. */
  #metered = 0
  /** Since its first window began: fetching and loading weights, and decoding the audio, say nothing of the speed. */
  #running: MeteredRun | undefined

  /** @param admission null: there is no room for it now, and it goes back */
  constructor(options: JobRunOptions, claimed: ClaimedJob, admission: Pick<Admission, 'engine'> | null) {
    this.#options = options
    this.#claimed = claimed
    this.#admission = admission
    const { job, lease } = claimed
    this.#logger = options.logger.child({ job: job.id, model: job.model, attempt: lease.attempt })
    this.#watch = new LeaseWatch({ ...options, claimed, logger: this.#logger })
    const onLost = (): void => this.#watch.end('lost')
    const { jobs, transcriber, tracer = NO_TRACER } = options
    this.#trace = new JobTrace(tracer, claimed, 'job')
    this.#windows = new KeptWindows({ jobs, lease, logger: this.#logger, onLost })
    this.#weights = new DownloadNotes({
      // What is told of is what the event has, and nothing beside it.
      note: ({ receivedBytes, totalBytes }) => jobs.noteWeights(lease, { receivedBytes, totalBytes }),
      logger: this.#logger,
    })
    const { decodesHere } = transcriber
    this.#length = new TrueLength({ jobs, claimed, decodesHere, logger: this.#logger, onLost })
  }

  /** Never throws: what can't be settled now is the reaper's when the lease has run out. */
  async run(stop: AbortSignal): Promise<void> {
    const startedMs = performance.now()
    using windows = this.#windows
    await using parts = new AsyncDisposableStack()
    parts.use(this.#weights)
    // Until it is settled: its lease is prolonged also while that waits for the database.
    parts.use(this.#watch.start(stop))
    parts.defer(() => this.#running?.[Symbol.dispose]())
    try {
      if (this.#admission === null) throw new Stopped('no-room')
      await this.#watch.begin()
      const transcript = await this.#transcribe()
      await this.#trace.step('store result', () => this.#succeed(transcript))
      this.#meter(transcript.duration)
      const seconds = (performance.now() - startedMs) / 1000
      const { duration: audioSeconds } = transcript
      this.#logger.info({ audioSeconds, seconds, windows: windows.finished }, 'job succeeded')
      this.#endTrace()
    } catch (error) {
      this.#endTrace(error)
      try {
        // Without the lease nothing more could be kept.
        await windows.flush()
        const { jobs, limits, maxRunMs } = this.#options
        const settling = { jobs, limits, maxRunMs, claimed: this.#claimed, logger: this.#logger, stop }
        if (await untilSettled(() => this.#length.releaseAsOrdinary(error), settling)) return
        await settle(error, settling)
      } catch (cause) {
        this.#logger.error({ err: cause }, 'the job could not be settled; its lease will run out')
      }
    }
  }

  #endTrace(error?: unknown): void {
    this.#trace.end({ attributes: { 'sotto.job.windows': this.#windows.finished }, error })
  }

  async #transcribe(): Promise<Transcript> {
    const { job } = this.#claimed
    const { signal } = this.#watch
    signal.throwIfAborted()
    if (job.input === null) throw new UnreadableJob()
    const { payloads, transcriber } = this.#options
    const resumeFrom = await this.#windows.read()
    const { length: windows } = resumeFrom
    this.#metered = windows > 0 ? job.doneSeconds : 0
    if (windows > 0) this.#logger.info({ windows }, 'going on behind the windows that were kept')
    const { payloadKey, payloadVersion } = job
    await using recording = await this.#trace.step('open recording', () =>
      this.#watch.patiently(() => payloads.openLocal(payloadKey, signal, payloadVersion)),
    )
    this.#trace.transcribing(transcriber.decodesHere)
    if (!transcriber.decodesHere) this.#startMeter()
    return await transcriber.transcribe(
      {
        ...{
          model: job.model,
          audioPath: recording.path,
          parameters: job.input,
          maxAudioSeconds: this.#length.limitSeconds,
        },
        ...{ isExpress: this.#length.isExpress, resumeFrom, engine: this.#admission?.engine },
      },
      {
        signal,
        logger: this.#logger,
        onWeights: (weights) => {
          this.#weights.add(weights)
          this.#trace.weights(weights)
        },
        onLoaded: () => this.#trace.loaded(),
        onExpectedSpeed: (speed) => this.#options.speed.expect(job.model, speed),
        onWindow: (window) => {
          this.#windows.keep(window)
          this.#trace.window(window)
        },
        onProgress: (progress) => {
          this.#trace.progress(progress)
          this.#follow(progress)
        },
      },
    )
  }

  #follow({ phase, seconds, totalSeconds }: RecognitionProgress): void {
    if (phase === 'transcribing') this.#meter(seconds)
    if (phase === 'transcribing' || totalSeconds === null) return
    this.#length.found(totalSeconds)
    this.#startMeter()
  }

  #startMeter(): void {
    this.#running ??= this.#options.speed.run(this.#claimed.job.model)
  }

  /** So much of the recording is done. */
  #meter(seconds: number): void {
    this.#running?.add(Math.max(0, seconds - this.#metered))
    this.#metered = Math.max(this.#metered, seconds)
  }

  /** The result is checked and stored before the row says so; a worker that lost its lease takes its result away again. */
  async #succeed(transcript: Transcript): Promise<void> {
    const { jobs, payloads } = this.#options
    const { lease } = this.#claimed
    const resultKey = resultKeyOf(lease.jobId, lease.attempt)
    const result = Buffer.from(JSON.stringify(requireTranscript(transcript)))
    await this.#watch.patiently(() => payloads.write(resultKey, Readable.from([result])))
    await this.#length.confirm(transcript.duration)
    // What could not be kept is told with the end.
    await this.#windows.flush()
    const { segments } = passageOf(transcript.segments, 0)
    if (!(await this.#watch.patiently(() => jobs.succeed(lease, resultKey, segments), 'the jobs table'))) {
      await payloads.remove(resultKey)
      throw new Stopped('lost')
    }
  }
}
