import { CodedError } from '../contract/coded-error.ts'
import type { ErrorCode } from '../contract/error-codes.ts'

export type OutboundErrorCode = Extract<ErrorCode, `outbound.${string}`>

/** Why a URL that somebody named is not asked, or not now. Messages name no address: what a name resolves to here is nobody's to learn. */
export class OutboundError extends CodedError<OutboundErrorCode> {
  override readonly name = 'OutboundError'
}

/** One text for each host that may not be asked, be it private, reserved or unknown, so that nobody explores a network by it. */
export function refusedHost(cause?: unknown): OutboundError {
  return new OutboundError(
    'outbound.refused',
    'The URL’s host has no address that this server may reach: it is unknown, private or reserved. An operator can allow it (SOTTO_FETCH_ALLOW).',
    { cause },
  )
}
