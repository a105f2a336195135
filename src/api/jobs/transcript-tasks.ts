import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ApiError } from '../errors/api-error.ts'
import { perform } from './stored-transcript.ts'
import type { TranscriptTask } from './stored-transcript.ts'
import type { TranscriptReply } from './transcript-thread.ts'

/** The extension differs between a checkout and a compiled package. */
const ENTRY = fileURLToPath(new URL(`./transcript-thread${extname(import.meta.url)}`, import.meta.url))
/**
 * Characters; three hours with words. Parsing and writing them takes some 80 ms; a day's take a second, for which nobody else would be
 * answered.
 */
export const MAX_LENGTH_HERE = 2 ** 22

/** Takes stored transcripts apart: large ones in a thread of their own, one after the other, so that requests are answered meanwhile. */
export class TranscriptTasks {
  readonly #maxLengthHere: number
  #last: Promise<unknown> = Promise.resolve()

  constructor(maxLengthHere = MAX_LENGTH_HERE) {
    this.#maxLengthHere = maxLengthHere
  }

  /** As `perform` of stored-transcript.ts. */
  async perform(task: TranscriptTask): Promise<string> {
    if (task.json.length <= this.#maxLengthHere) return perform(task)
    const before = this.#last
    const { promise: done, resolve } = Promise.withResolvers<void>()
    this.#last = done
    await before
    try {
      return await inThread(task)
    } finally {
      resolve()
    }
  }
}

/** A new thread costs less than a tenth of what it is for, and leaves no memory behind. */
async function inThread(task: TranscriptTask): Promise<string> {
  const thread = new Worker(ENTRY, { workerData: task })
  // Rejects when the thread fails.
  const [reply] = (await once(thread, 'message')) as [TranscriptReply]
  await thread.terminate()
  if (reply.type === 'made') return reply.text
  throw new ApiError(reply.status, reply.message)
}
