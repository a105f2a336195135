import type { Answer } from './exchange.ts'

/**
 * What is wrong with an answer, whatever the request was; undefined: nothing. No 5xx but 503, and an error is `{code, message}`,
 * at OpenAI's routes `{error: …}`, and at those of models both.
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
  return isErrorBody(request.target, status, body) ? undefined : `${status} with a body that is no error: ${head(body)}`
}

const OPENAI = /\/audio\/|\/openai\//

function isErrorBody(target: string, status: number, body: Buffer): boolean {
  try {
    const parsed: unknown = JSON.parse(body.toString())
    if (typeof parsed !== 'object' || parsed === null) return false
    // A key's own errors say which, and which scope is missing.
    const { code, message, error, reason = '', scope = '', ...others } = parsed as Readonly<Record<string, unknown>>
    if (Object.keys(others).length > 0 || typeof reason !== 'string' || typeof scope !== 'string') return false
    if (OPENAI.test(target) && code === undefined && message === undefined) return isOpenAiError(error)
    const isOwn = code === status && typeof message === 'string' && message !== ''
    return isOwn && (error === undefined || (target.startsWith('/v1/models') && isOpenAiError(error)))
  } catch {
    return false
  }
}

function isOpenAiError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { message, type, param, code, ...others } = error as Readonly<Record<string, unknown>>
  const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
  const isTextOrNull = (value: unknown): boolean => value === null || isText(value)
  return (
    isText(message) && isText(type) && isTextOrNull(param) && isTextOrNull(code) && Object.keys(others).length === 0
  )
}

function head(body: Buffer): string {
  return JSON.stringify(body.subarray(0, 200).toString('latin1'))
}
