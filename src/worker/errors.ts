/** An error of the engine process: `engine.crashed`, `engine.aborted`, or the code of what went wrong inside it. */
export class EngineProcessError extends Error {
  override readonly name = 'EngineProcessError'
  readonly code: string
  readonly retryable: boolean

  constructor(code: string, message: string, options: { readonly retryable: boolean; readonly cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryable = options.retryable
  }
}
