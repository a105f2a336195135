import { CodedError } from '../../contract/coded-error.ts'

/** What may be otherwise when the same request comes again. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 503])

/** An answer that is an error, with its HTTP status. */
export class ApiError extends CodedError<'request.refused'> {
  override readonly name = 'ApiError'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    message: string,
    { headers = {}, ...options }: ErrorOptions & { readonly headers?: Record<string, string> } = {},
  ) {
    super('request.refused', message, { retryable: PASSING.has(status), ...options })
    this.status = status
    this.headers = headers
  }
}
