/**
 * What can be wrong with a recording, a checkpoint, a parameter that only the checkpoint can judge, or this machine. The message is
 * for the user of the file; it holds no path of the server and nothing of the transcript.
 */
export type EngineErrorCode =
  | 'audio.empty'
  | 'audio.not_media'
  | 'audio.no_audio_stream'
  | 'audio.damaged'
  | 'audio.unsupported'
  | 'audio.silent'
  | 'audio.too_long'
  | 'input.invalid'
  | 'job.over_budget'
  | 'checkpoint.missing_file'
  | 'checkpoint.invalid'
  | 'checkpoint.unsupported'
  | 'checkpoint.damaged'
  | 'device.unavailable'
  | 'engine.disk_full'
  | 'engine.spool_full'
  | 'engine.cache_unusable'
  | 'engine.load_failed'

const RETRYABLE: ReadonlySet<EngineErrorCode> = new Set(['engine.disk_full', 'engine.spool_full', 'engine.load_failed'])

export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: EngineErrorCode
  /** A disk may have room again, and a machine memory; files stay as they are. */
  readonly retryable: boolean

  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = RETRYABLE.has(code)
  }
}

/** Whether the file system had no room; any other error of its has another remedy. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}
