/** An answer that is an error: its HTTP status, and a message that says what is wrong and what to do. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    message: string,
    options: ErrorOptions & { readonly headers?: Record<string, string> } = {},
  ) {
    super(message, options)
    this.status = status
    this.headers = options.headers ?? {}
  }
}
