import type { Answer } from './exchange.ts'

/**
 * What is wrong with an answer, whatever the request was; undefined: nothing. No 5xx but 503, and an error is `{code, message}`, perhaps with
 * a reason.
 * @param request its method and its target
 */
export function faultOf(
  request: { readonly method: string; readonly target: string },
  answer: Answer,
): string | undefined {
  const { status, body } = answer
  if (status >= 500 && status !== 503) return `${status}: ${head(body)}`
  if (status < 400) return undefined
  if (request.method.toUpperCase() === 'HEAD') return undefined
  // It says which part is not ready, beyond the wire contract.
  if (status === 503 && request.target.includes('/readyz')) return undefined
  return isErrorBody(status, body) ? undefined : `${status} with a body that is not {code, message}: ${head(body)}`
}

function isErrorBody(status: number, body: Buffer): boolean {
  try {
    const parsed: unknown = JSON.parse(body.toString())
    if (typeof parsed !== 'object' || parsed === null) return false
    const { code, message, ...others } = parsed as Readonly<Record<string, unknown>>
    return code === status && typeof message === 'string' && message !== '' && areDetails(others)
  } catch {
    return false
  }
}

/** What some errors say beside: why, and which scope is missing. */
function areDetails({ reason, scope, ...others }: Readonly<Record<string, unknown>>): boolean {
  const isReason = typeof reason === 'string' && reason.startsWith('key.')
  return (reason === undefined || isReason) && (scope === undefined || isReason) && Object.keys(others).length === 0
}

function head(body: Buffer): string {
  return JSON.stringify(body.subarray(0, 200).toString('latin1'))
}
