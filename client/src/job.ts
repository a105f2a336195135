import { fieldsOf, jobOf, textOf, transcriptOf } from './answers.ts'
import { ApiError, JobCancelled, JobFailed, JobGone } from './errors.ts'
import { followJob } from './follow.ts'
import type { FollowOptions } from './follow.ts'
import type { Http } from './http.ts'
import type { JobBody, JobEvent, ResultFormat, SubmitOptions, Transcript } from './types.ts'

const REQUESTS = '/v1/async/requests'

export interface ResultOptions {
  readonly signal?: AbortSignal
  /** Of subtitles with the times of words, as the reference's writers take them. */
  readonly maxLineWidth?: number
  readonly maxLineCount?: number
  readonly maxWordsPerLine?: number
  readonly highlightWords?: boolean
}

/** A handle on a job. Iterating it gives what becomes of it, to its end. */
export class Job implements AsyncIterable<JobEvent> {
  readonly id: string
  readonly #http: Http
  /** Its path, or its poll URL, which is presigned. */
  readonly #target: string

  /** @param idOrPollUrl makes no request */
  constructor(http: Http, idOrPollUrl: string) {
    this.#http = http
    const isUrl = /^https?:/i.test(idOrPollUrl)
    this.#target = isUrl ? idOrPollUrl : `${REQUESTS}/${encodeURIComponent(idOrPollUrl)}`
    this.id = isUrl ? decodeURIComponent(new URL(idOrPollUrl).pathname.split('/').at(-1) ?? '') : idOrPollUrl
  }

  /** @throws ApiError */
  async status({ signal }: { readonly signal?: AbortSignal } = {}): Promise<JobBody> {
    return jobOf(await this.#http.json(this.#target, { signal }))
  }

  events(options: FollowOptions = {}): AsyncGenerator<JobEvent, void, void> {
    return followJob(this.#http, this.#target, options)
  }

  [Symbol.asyncIterator](): AsyncGenerator<JobEvent, void, void> {
    return this.events()
  }

  /**
   * Waits for the transcript. An aborted signal ends the waiting, and leaves the job alone.
   * @throws JobFailed, JobCancelled, JobGone; ApiError
   */
  async result({
    signal,
    onEvent,
  }: {
    readonly signal?: AbortSignal | undefined
    readonly onEvent?: (event: JobEvent) => void
  } = {}): Promise<Transcript> {
    try {
      for await (const event of this.events({ signal })) {
        onEvent?.(event)
        if (event.type === 'status' && event.job !== undefined) return transcriptOfJob(event.job)
      }
    } catch (error) {
      if (error instanceof ApiError && (error.status === 404 || error.status === 410)) throw new JobGone(this.id, error)
      throw error
    }
    throw new JobGone(this.id, undefined)
  }

  async cancel({ signal }: { readonly signal?: AbortSignal } = {}): Promise<JobBody> {
    return jobOf(await this.#post('cancel', {}, signal))
  }

  /** A new job with the same recording, with these of its options changed. */
  async retry(
    changes: Pick<SubmitOptions, 'model' | 'serviceTier' | 'input'> = {},
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<Job> {
    const answer = fieldsOf(await this.#post('retry', changes, signal), 'the answer')
    return new Job(this.#http, textOf(fieldsOf(answer['response'], 'response'), 'id'))
  }

  /** The result as a file of this format. */
  async download(format: ResultFormat, { signal, ...lines }: ResultOptions = {}): Promise<string> {
    const query = {
      max_line_width: lines.maxLineWidth,
      max_line_count: lines.maxLineCount,
      max_words_per_line: lines.maxWordsPerLine,
      highlight_words: lines.highlightWords,
    }
    return await this.#http.text(this.#below(`result.${format}`), { query, signal })
  }

  /** Changes what is kept beside it; null takes a pair away. */
  async update(
    changes: { readonly name?: string | null; readonly metadata?: Readonly<Record<string, string | null>> },
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<JobBody> {
    return jobOf(await this.#http.json(this.#below(''), { method: 'PATCH', json: changes, signal }))
  }

  /** Removes a finished job, its result, and its recording unless another job has it too. */
  async remove({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#http.text(this.#below(''), { method: 'DELETE', signal })
  }

  async #post(verb: string, json: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    return await this.#http.json(this.#below(verb), { method: 'POST', json, signal })
  }

  #below(verb: string): string {
    const path = `${REQUESTS}/${encodeURIComponent(this.id)}`
    return verb === '' ? path : `${path}/${verb}`
  }
}

/** @throws JobFailed, JobCancelled, JobGone */
function transcriptOfJob(job: JobBody): Transcript {
  if (job.status === 'cancelled') throw new JobCancelled(job)
  if (job.status !== 'success') throw new JobFailed(job)
  if (!job.result) throw new JobGone(job.id, undefined)
  return transcriptOf(job.result)
}
