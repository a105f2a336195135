import { parentPort, workerData } from 'node:worker_threads'
import { ApiError } from '../errors/api-error.ts'
import { perform } from './stored-transcript.ts'
import type { TranscriptTask } from './stored-transcript.ts'

/** What the thread says before it ends, unless it fails: then its error is told by itself. */
export type TranscriptReply =
  | { readonly type: 'made'; readonly text: string }
  | { readonly type: 'refused'; readonly status: number; readonly message: string }

// The thread's own side: this file is an entry like `main.ts`, and does nothing where it is not started as a thread.
parentPort?.postMessage(reply(workerData as TranscriptTask))

function reply(task: TranscriptTask): TranscriptReply {
  try {
    return { type: 'made', text: perform(task) }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { type: 'refused', status: error.status, message: error.message }
  }
}
