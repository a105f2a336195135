import { CodedError } from '../../contract/coded-error.ts'

/** A result that was asked for, and is not there: not yet, or never. */
export class ResultError extends CodedError<'result.not_ready' | 'result.none'> {
  override readonly name = 'ResultError'
}
