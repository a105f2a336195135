/** Why an attempt failed: what the receiver did. Part of the API: codes never change their meaning. */
export const ATTEMPT_CODES = {
  status: 'answered with a status that is not 2xx',
  redirected: 'answered with a redirect, which is not followed: `detail` is its `Location`',
  gone: 'answered with 410',
  timeout: 'did not answer within 15 seconds',
  unreachable: 'can’t be reached, or broke the connection: `detail` says how',
  untrusted: 'has a certificate that is not trusted: `detail` says why',
  refused: 'has no address that this server may reach (`SOTTO_FETCH_ALLOW`)',
} as const

export type AttemptCode = keyof typeof ATTEMPT_CODES

/** Why a delivery ended without being made. */
export const DROPPED_CODES = {
  disabled: 'the receiver had answered with 410 before',
  removed: 'the key’s default webhook was removed',
  key_revoked: 'the API key of the job was revoked',
  unreadable: 'what is stored of the webhook is damaged',
} as const

export type DroppedCode = keyof typeof DROPPED_CODES

/** How a delivery has ended. */
export type DeliveryOutcome = 'delivered' | 'failed' | DroppedCode

export function isDropped(outcome: string): outcome is DroppedCode {
  return Object.hasOwn(DROPPED_CODES, outcome)
}
