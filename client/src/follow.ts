import { fieldsOf, jobOf, numberOf, segmentsOf, transcriptOf } from './answers.ts'
import { ApiError, ConnectionError, SottoError } from './errors.ts'
import type { Http } from './http.ts'
import { readEvents } from './sse.ts'
import type { ServerSentEvent } from './sse.ts'
import type { JobBody, JobEvent, Segment } from './types.ts'
import { linkedTo, retryDelayMs, sleep } from './waiting.ts'

/** Three heartbeats. */
const SILENCE_MS = 45_000
/** Within this the first byte comes, unless a proxy holds the stream back until it ends. */
const FIRST_BYTE_MS = 20_000
const WAIT_SECONDS = 25
/** What says that the server, or a proxy, has no streams. */
const NO_STREAM: ReadonlySet<number> = new Set([404, 405, 406, 501])

export interface FollowOptions {
  readonly signal?: AbortSignal | undefined
  /** Only what came after the event with this id. */
  readonly lastEventId?: string
}

/**
 * What becomes of a job until it has finished, however often the connection breaks: by its event stream, and where there is none by requests
 * that wait.
 * @param path the job's, such as `/v1/async/requests/{id}`, or its poll URL
 */
export async function* followJob(
  http: Http,
  path: string,
  { signal, lastEventId = '' }: FollowOptions = {},
): AsyncGenerator<JobEvent, void, void> {
  const state = new FollowedJob(lastEventId)
  for (let failures = 0; ; failures++) {
    try {
      for await (const event of streamOf(http, path, state, signal)) {
        failures = 0
        yield event
        if (isEnd(event)) return
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof NoStream) break
      if (!(error instanceof SottoError) || !error.retryable) throw error
    }
    const delayMs = retryDelayMs(failures)
    yield { type: 'reconnecting', attempt: failures + 1, delayMs }
    await sleep(delayMs, signal)
  }
  yield* polled(http, path, state, signal)
}

/** There are no streams here, or none that get through. */
class NoStream extends Error {}

/** What has been told already. */
class FollowedJob {
  lastEventId: string
  /** Of the transcript's segments. */
  #told = -1

  constructor(lastEventId: string) {
    this.lastEventId = lastEventId
  }

  /** Those that were not told yet: a stream that begins anew repeats, and so does a run that does. */
  untold(segments: readonly Segment[]): readonly Segment[] {
    const fresh = segments.filter(({ id }) => id > this.#told)
    this.#told = Math.max(this.#told, ...fresh.map(({ id }) => id))
    return fresh
  }
}

async function* streamOf(
  http: Http,
  path: string,
  state: FollowedJob,
  signal: AbortSignal | undefined,
): AsyncGenerator<JobEvent, void, void> {
  const linked = linkedTo(signal)
  let timer: ReturnType<typeof setTimeout> | undefined
  const expect = (ms: number, error: unknown): void => {
    clearTimeout(timer)
    timer = setTimeout(() => linked.abort(error), ms)
  }
  const accept = { accept: 'text/event-stream' }
  const headers = state.lastEventId === '' ? accept : { ...accept, 'last-event-id': state.lastEventId }
  try {
    expect(FIRST_BYTE_MS, new NoStream('a proxy holds the stream back'))
    const response = await http.request(eventsOf(path), { headers, signal: linked.signal, maxRetries: 0 })
    if (response.status === 204) {
      yield* finished(http, path, state, signal)
      return
    }
    if (response.body === null || !isEventStream(response)) throw new NoStream('the answer is no event stream')
    const onActivity = (): void => expect(SILENCE_MS, new ConnectionError('The stream fell silent.', undefined))
    for await (const event of readEvents(response.body, onActivity)) {
      state.lastEventId = event.lastEventId
      yield* eventOf(event, state, () => finished(http, path, state, signal))
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (linked.signal.aborted) throw linked.signal.reason
    if (error instanceof ApiError && NO_STREAM.has(error.status)) throw new NoStream(error.message)
    throw error instanceof SottoError || error instanceof NoStream
      ? error
      : new ConnectionError('The stream broke off.', error)
  } finally {
    clearTimeout(timer)
    linked.release()
  }
}

async function* eventOf(
  { type, data }: ServerSentEvent,
  state: FollowedJob,
  finish: () => AsyncGenerator<JobEvent, void, void>,
): AsyncGenerator<JobEvent, void, void> {
  // Events of later servers pass by.
  if (type !== 'status' && type !== 'progress' && type !== 'segments') return
  const fields = fieldsOf(JSON.parse(data) as unknown, `the event ${type}`)
  if (type === 'segments') {
    const segments = state.untold(segmentsOf(fields))
    if (segments.length > 0) yield { type, segments }
  } else if (type === 'progress') {
    yield progressOf(fields)
  } else {
    const { status } = jobOf(fields)
    const { at } = fields
    if (isFinished({ status })) yield* finish()
    else yield { type, status, ...(typeof at === 'string' ? { at } : {}) }
  }
}

/** The whole job, with its result, once it has finished. */
async function* finished(
  http: Http,
  path: string,
  state: FollowedJob,
  signal: AbortSignal | undefined,
): AsyncGenerator<JobEvent, void, void> {
  yield* endOf(jobOf(await http.json(path, { signal })), state)
}

function* endOf(job: JobBody, state: FollowedJob): Generator<JobEvent, void, void> {
  const segments = job.result ? state.untold(transcriptOf(job.result).segments) : []
  if (segments.length > 0) yield { type: 'segments', segments }
  yield { type: 'status', status: job.status, job }
}

/** Asks again and again, where the server waits for news before it answers. */
async function* polled(
  http: Http,
  path: string,
  state: FollowedJob,
  signal: AbortSignal | undefined,
): AsyncGenerator<JobEvent, void, void> {
  let version: unknown
  let told: unknown
  for (let count = 0; ; count++) {
    const startMs = Date.now()
    const query = { wait: WAIT_SECONDS, ...(typeof version === 'number' ? { version } : {}) }
    const job = jobOf(await http.json(path, { signal, query, timeoutMs: 2 * WAIT_SECONDS * 1000 }))
    if (isFinished(job)) {
      yield* endOf(job, state)
      return
    }
    if (job.status !== told) yield { type: 'status', status: job.status }
    told = job.status
    yield progressOf({ ...job })
    const known = 'version' in job ? job.version : undefined
    // A server that answers at once does not wait for news: it is not to be asked without a pause.
    if (known === version || Date.now() - startMs < 500) await sleep(pauseMs(count, job), signal)
    version = known
  }
}

/** From one second to fifteen; not beyond the end that is foreseen. */
function pauseMs(count: number, { queue }: JobBody): number {
  const growing = Math.min(15_000, 1000 * 1.5 ** count)
  const left = queue?.etaSeconds
  return typeof left === 'number' ? Math.max(500, Math.min(growing, (left * 1000) / 2)) : growing
}

function progressOf(fields: Readonly<Record<string, unknown>>): JobEvent {
  const queue =
    typeof fields['queue'] === 'object' && fields['queue'] !== null ? fieldsOf(fields['queue'], 'queue') : fields
  const number = (value: unknown): number | null => (typeof value === 'number' ? value : null)
  return {
    type: 'progress',
    doneSeconds: numberOf(fields, 'doneSeconds'),
    audioSeconds: numberOf(fields, 'audioSeconds'),
    position: number(queue['position']),
    etaSeconds: number(queue['etaSeconds']),
  }
}

export function isFinished({ status }: Pick<JobBody, 'status'>): boolean {
  return status === 'success' || status === 'failed' || status === 'cancelled'
}

function isEnd(event: JobEvent): boolean {
  return event.type === 'status' && isFinished(event)
}

function isEventStream(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/event-stream') ?? false
}

/** A poll URL's signature covers its events. */
function eventsOf(path: string): string {
  const [before = '', query] = path.split('?', 2)
  return `${before}/events${query === undefined ? '' : `?${query}`}`
}
