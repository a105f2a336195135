import { CodedError } from '../contract/coded-error.ts'

/** An error of the engine process, or of finding what it runs on: the process's own end, or the code of what went wrong inside it. */
export class EngineProcessError extends CodedError {
  override readonly name = 'EngineProcessError'
}
