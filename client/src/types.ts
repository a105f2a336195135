import type { WhisperInput } from './whisper-input.ts'

export type JobStatus = 'accepted' | 'pending' | 'processing' | 'success' | 'failed' | 'cancelled'
export type FinishedStatus = 'success' | 'failed' | 'cancelled'

/** A word with the blank before it and the punctuation around it; times in seconds of the recording. */
export interface Word {
  readonly word: string
  readonly start: number
  readonly end: number
  readonly probability: number
  readonly speaker?: string
}

/** Times in seconds of the recording. What a model has no such thing of is left out. */
export interface Segment {
  /** Its place in the transcript, from 0. */
  readonly id: number
  readonly start: number
  readonly end: number
  readonly text: string
  readonly seek?: number
  readonly tokens?: readonly number[]
  readonly temperature?: number
  readonly avg_logprob?: number
  readonly compression_ratio?: number
  readonly no_speech_prob?: number
  readonly words?: readonly Word[]
  readonly speaker?: string
  /** Why not to trust it: `repetition`, `low-confidence`, `maybe-silence`. */
  readonly quality?: readonly string[]
}

/** What is wrong with a recording that was transcribed nevertheless; times in seconds of it. */
export interface Warning {
  readonly code: string
  readonly message: string
  readonly start?: number
  readonly end?: number
}

export interface Transcript {
  readonly text: string
  /** Its code, given or detected. */
  readonly language?: string
  /** Seconds of audio. */
  readonly duration: number
  readonly segments: readonly Segment[]
  readonly warnings?: readonly Warning[]
}

/** A job as the server shows it. What later servers add is there as well. */
export interface JobBody {
  readonly id: string
  /** `publisher/model`. */
  readonly model: string
  readonly status: JobStatus
  readonly serviceTier: string
  readonly servedTier: string | null
  readonly priority: string
  /** Length of the recording; until it is decoded, what its header says. */
  readonly audioSeconds: number
  /** Of these, what has become text. */
  readonly doneSeconds: number
  readonly acceptedAt: string
  readonly startedAt: string | null
  readonly completedAt: string | null
  readonly expiresAt: string | null
  readonly name?: string | null
  readonly metadata?: Readonly<Record<string, string>>
  readonly waitingFor?: unknown
  readonly error?: { readonly code: string; readonly message: string }
  readonly queue?: { readonly position: number; readonly etaSeconds: number | null }
  readonly result?: Transcript | null
}

/** What becomes of a job, as it happens. */
export type JobEvent =
  | {
      readonly type: 'upload'
      readonly sentBytes: number
      /** Null: how long a stream is shows at its end. */
      readonly totalBytes: number | null
    }
  /** A transition. The last one is to success, failed or cancelled, and has the whole job, with its result. */
  | { readonly type: 'status'; readonly status: JobStatus; readonly at?: string; readonly job?: JobBody }
  | {
      readonly type: 'progress'
      readonly doneSeconds: number
      readonly audioSeconds: number
      readonly position: number | null
      readonly etaSeconds: number | null
    }
  /** New text, in order, each segment once, whatever happens to the connection. */
  | { readonly type: 'segments'; readonly segments: readonly Segment[] }
  | { readonly type: 'reconnecting'; readonly attempt: number; readonly delayMs: number }

/** A recording: what a browser's file input, `fetch` or `openAsBlob` gives, or where the server finds it. */
export type Audio =
  | Blob
  | Uint8Array<ArrayBuffer>
  | ReadableStream<Uint8Array>
  | Response
  /** The server fetches it. */
  | { readonly url: string }
  /** As `{ url }`. */
  | `http://${string}`
  | `https://${string}`

export interface SubmitOptions {
  /** `publisher/model`; default: the client's. */
  readonly model?: string
  readonly serviceTier?: 'cpuflex' | 'gpuflex'
  /** The model's parameters. */
  readonly input?: WhisperInput
  /** The recording's file name: shown in lists, and its extension helps nobody but readers. Default: a File's own. */
  readonly name?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly priority?: 'high' | 'normal' | 'low'
  readonly startBy?: Date
  /** Seconds that a run of it may take. */
  readonly timeoutSeconds?: number
  readonly expiresAt?: Date
  readonly webhook?: { readonly url: string; readonly events?: readonly string[]; readonly secret?: string }
  /** Goes on with an upload that broke off: `resume` of an `UploadInterrupted`. */
  readonly resumeFrom?: string
  readonly onEvent?: (event: JobEvent) => void
  readonly signal?: AbortSignal
}

export interface TranscribeOptions extends SubmitOptions {
  /** What an aborted signal does to a job that was submitted: it is cancelled, or goes on. Default: `cancel`. */
  readonly onAbort?: 'cancel' | 'detach'
}

export type ResultFormat = 'json' | 'txt' | 'srt' | 'vtt' | 'tsv'
