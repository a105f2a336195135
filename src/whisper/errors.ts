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
  | 'checkpoint.missing_file'
  | 'checkpoint.invalid'
  | 'checkpoint.unsupported'
  | 'device.unavailable'
  | 'engine.disk_full'
  | 'engine.spool_full'

export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: EngineErrorCode
  /** A disk may have room again; what fills it by itself does not try for ever. */
  readonly retryable: boolean

  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.retryable = code === 'engine.disk_full' || code === 'engine.spool_full'
  }
}
