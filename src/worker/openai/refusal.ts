import Type from 'typebox'
import { Check } from 'typebox/value'
import { RemoteError } from './errors.ts'
import type { RemoteErrorCode } from './errors.ts'

const MAX_MESSAGE_CHARACTERS = 300
/** A server may ask for an hour; whoever waits for the job is better served by another try, or an error. */
const MAX_RETRY_AFTER_MS = 60_000

/** An answer with any other status than 200. */
export interface Refusal {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** Where OpenAI's API, FastAPI, vLLM and whisper.cpp put what they have to say. */
const Text = Type.String()
const ErrorBody = Type.Object({
  error: Type.Optional(Type.Union([Text, Type.Object({ message: Text })])),
  message: Type.Optional(Text),
  detail: Type.Optional(Type.Union([Text, Type.Array(Type.Object({ msg: Text }))])),
})

/** What an answer that is no transcript means. */
export function refusal({ status, headers, text }: Refusal, apiKey: string | null): RemoteError {
  const code = codeOf(status)
  const said = reasonOf(status) ?? messageOf(text, apiKey)
  const message = `The transcription server answered ${status}${said === '' ? '' : `: ${said}`}`
  return new RemoteError(code, message, { retryAfterMs: retryAfterMs(headers['retry-after']) })
}

/** Where the answer's own message would not help. */
function reasonOf(status: number): string | undefined {
  if (status === 401 || status === 403) return 'it does not take the key in SOTTO_ENGINE_API_KEY.'
  if (status >= 300 && status < 400) return 'redirects are not followed; SOTTO_ENGINE has to name the address itself.'
  return undefined
}

function codeOf(status: number): RemoteErrorCode {
  switch (status) {
    case 401:
    case 403:
      return 'engine.forbidden'
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return 'engine.unavailable'
    default:
      return status >= 500 ? 'engine.failed' : 'engine.refused'
  }
}

/** Only the message of an error: the rest may quote the request. Neither the key nor a line break gets through. */
function messageOf(text: string, apiKey: string | null): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return ''
  }
  if (!Check(ErrorBody, body)) return ''
  const { error, message, detail } = body
  const said =
    (typeof error === 'string' ? error : error?.message) ??
    message ??
    (typeof detail === 'string' ? detail : detail?.map(({ msg }) => msg).join('; ')) ??
    ''
  const line = (apiKey === null ? said : said.replaceAll(apiKey, '…')).replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length <= MAX_MESSAGE_CHARACTERS ? line : `${line.slice(0, MAX_MESSAGE_CHARACTERS)}…`
}

/** Seconds, or a date. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}
