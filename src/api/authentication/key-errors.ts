import { CodedError } from '../../contract/coded-error.ts'
import type { ErrorCode } from '../../contract/error-codes.ts'
import type { Scope } from '../../contract/scope.ts'

export type KeyErrorCode = Extract<ErrorCode, `key.${string}`>

/** A valid key that may not do this, or that can't be changed so. */
export class KeyError extends CodedError<KeyErrorCode> {
  override readonly name = 'KeyError'
  /** What the answer says beside code and message, for programs. */
  readonly details: { readonly reason: KeyErrorCode; readonly scope?: Scope }
  readonly headers: Readonly<Record<string, string>>

  constructor(code: KeyErrorCode, message: string, scope?: Scope) {
    super(code, message)
    this.details = { reason: code, ...(scope === undefined ? {} : { scope }) }
    // RFC 6750, section 3.1.
    this.headers =
      scope === undefined ? {} : { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` }
  }
}
