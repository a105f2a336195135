import { CodedError } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type EngineErrorCode =
  | Extract<ErrorCode, `audio.${string}` | `checkpoint.${string}`>
  | 'input.invalid'
  | 'job.over_budget'
  | 'device.unavailable'
  | 'engine.disk_full'
  | 'engine.spool_full'
  | 'engine.cache_unusable'
  | 'engine.load_failed'

/** What can be wrong with a recording, a model, a parameter that only the model can judge, or this machine. */
export class EngineError extends CodedError<EngineErrorCode> {
  override readonly name = 'EngineError'
}

/** Whether the file system had no room; any other error of its has another remedy. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}
