import { extname } from 'node:path'
import { Readable } from 'node:stream'
import type { Logger } from 'pino'
import { hasCode } from '../../contract/coded-error.ts'
import type { RecordingFetched } from '../../contract/job-event.ts'
import { NO_TRACER } from '../../contract/tracing.ts'
import type { Tracer } from '../../contract/tracing.ts'
import { FetchError } from '../../fetching/errors.ts'
import { fetchRecording } from '../../fetching/fetch-recording.ts'
import type { ClaimedJob, JobStore } from '../../jobs/job-store.ts'
import { OutboundClient } from '../../outbound/client.ts'
import type { OutboundGuard } from '../../outbound/guard.ts'
import { guessedLength } from '../../payloads/guessed-length.ts'
import type { LengthProbe } from '../../payloads/length-probe.ts'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import type { PayloadStore } from '../../payloads/payload-store.ts'
import { UNKNOWN_EXTENSION } from '../../payloads/uploads/upload.ts'
import { DownloadNotes } from '../run/download-notes.ts'
import { JobTrace } from '../run/job-trace.ts'
import { LeaseWatch } from '../run/lease-watch.ts'
import { Stopped, settle } from '../run/settling.ts'

export interface FetchRunOptions {
  readonly jobs: JobStore
  readonly payloads: Pick<PayloadStore, 'write' | 'readRange'>
  readonly guard: OutboundGuard
  /** Says how long the recording is, as its headers have it. */
  readonly probe: LengthProbe
  readonly logger: Logger
  readonly leaseMs: number
  readonly maxRunMs: number | null
  readonly limits: { readonly failures: number; readonly crashes: number }
  readonly maxBytes: number
  /** How long fetching a recording may take. */
  readonly limitMs: number
  /** Default: none. */
  readonly tracer?: Tracer
}

/** One claimed job whose recording is elsewhere: from its lease to its being given back with the recording in the payload store. */
export class FetchRun {
  readonly #options: FetchRunOptions
  readonly #claimed: ClaimedJob
  readonly #logger: Logger
  readonly #watch: LeaseWatch
  readonly #trace: JobTrace

  constructor(options: FetchRunOptions, claimed: ClaimedJob) {
    this.#options = options
    this.#claimed = claimed
    const { job, lease } = claimed
    this.#logger = options.logger.child({ job: job.id, attempt: lease.attempt })
    this.#watch = new LeaseWatch({ ...options, claimed, logger: this.#logger })
    this.#trace = new JobTrace(options.tracer ?? NO_TRACER, claimed, 'fetch')
  }

  /** Never throws: what can't be settled now is the reaper's when the lease has run out. */
  async run(stop: AbortSignal): Promise<void> {
    using watch = this.#watch.start(stop)
    const { jobs, limits, maxRunMs } = this.#options
    const { lease } = this.#claimed
    try {
      await watch.begin()
      const { payloadKey, bytes } = await watch.patiently(() => this.#fetch())
      const audioSeconds = await this.#lengthOf(payloadKey, bytes)
      const isGivenBack = await watch.patiently(
        () => jobs.fetched(lease, { payloadKey, audioSeconds }),
        'the jobs table',
      )
      if (!isGivenBack) throw new Stopped('lost')
      this.#logger.info({ bytes, audioSeconds }, 'recording fetched')
      this.#trace.end({ attributes: { 'sotto.fetch.bytes': bytes } })
    } catch (error) {
      this.#trace.end({ attributes: {}, error })
      const settling = { jobs, limits, maxRunMs, claimed: this.#claimed, logger: this.#logger, stop }
      try {
        await settle(error, settling)
      } catch (cause) {
        this.#logger.error({ err: cause }, 'the job could not be settled; its lease will run out')
      }
    }
  }

  /** Into the payload store, whole or not at all. Says where it is, and how many bytes there are. */
  async #fetch(): Promise<{ readonly payloadKey: PayloadKey; readonly bytes: number }> {
    const { job, lease } = this.#claimed
    const { sourceUrl } = job
    if (sourceUrl === null) throw new Error('there is nothing to fetch')
    const { jobs, payloads, guard, maxBytes, limitMs } = this.#options
    const { signal } = this.#watch
    await using notes = new DownloadNotes<RecordingFetched>({
      note: (recording) => jobs.noteFetch(lease, recording),
      logger: this.#logger,
    })
    // Of its own: what it leaves open goes with it.
    await using client = new OutboundClient({ guard })
    let receivedBytes = 0
    const { totalBytes, extension, chunks } = await fetchRecording(sourceUrl, {
      ...{ client, maxBytes, limitMs, signal },
      onProgress: (progress) => {
        receivedBytes = progress.receivedBytes
        notes.add(
          progress.totalBytes === undefined ? { receivedBytes } : { receivedBytes, totalBytes: progress.totalBytes },
        )
      },
    })
    const payloadKey = keyFor(job.payloadKey, extension)
    const body = Readable.from(chunks, { objectMode: false }).on('error', () => undefined)
    try {
      const { bytes } = await payloads.write(payloadKey, body, { maxBytes, bodyBytes: totalBytes, signal })
      // Where its size was not known, it is by now.
      if (totalBytes !== bytes) notes.add({ receivedBytes: bytes, totalBytes: bytes })
      return { payloadKey, bytes }
    } catch (error) {
      // The store only says that what it was given broke off.
      if (hasCode(error, 'payload.interrupted') && error.cause instanceof FetchError) throw error.cause
      throw error
    } finally {
      body.destroy()
    }
  }

  async #lengthOf(payloadKey: PayloadKey, bytes: number): Promise<number> {
    const { payloads, probe } = this.#options
    const { keyId } = this.#claimed.job
    const readRange = (start: number, end: number): Promise<Buffer> => payloads.readRange(payloadKey, start, end)
    const object = { bytes, extension: extname(payloadKey).slice(1), readRange }
    const { seconds } = await probe.lengthOf(object, keyId)
    return seconds ?? guessedLength(object)
  }
}

/** Where the URL says nothing of the format, its server may: other engines go by the name. Nobody submits by such a key, whose MAC is of another. */
function keyFor(submitted: PayloadKey, extension: string | undefined): PayloadKey {
  const suffix = `.${UNKNOWN_EXTENSION}`
  if (extension === undefined || !submitted.endsWith(suffix)) return submitted
  return `${submitted.slice(0, -suffix.length)}.${extension}`
}
