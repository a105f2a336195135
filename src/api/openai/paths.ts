/** The own routes with the most requests, whose paths are as they were given out. */
const OWN = /^\/v1\/(?:async|input|ent)\//
/** What clients append to a base URL that somebody typed: with `/v1` or without. */
const AUDIO = /^(?:\/openai)?(?:\/v1)?\/audio\/(transcriptions|translations)$/
const MODELS = /^(?:\/openai)?\/v1(\/models(?:\/.+)?)$/
const ASR = /^\/(?:asr|detect-language)$/

/**
 * The URL of a request by the path that its route has, for whatever spelling of it clients of other services send: with doubled slashes,
 * with one at the end, below `/openai`.
 */
export function canonicalUrl(url: string): string {
  if (OWN.test(url)) return url
  const end = url.indexOf('?')
  const [given, query] = end === -1 ? [url, ''] : [url.slice(0, end), url.slice(end)]
  const single = given.replaceAll(/\/{2,}/g, '/')
  const path = single.endsWith('/') ? single.slice(0, -1) : single
  const audio = AUDIO.exec(path)?.[1]
  if (audio !== undefined) return `/v1/audio/${audio}${query}`
  const models = MODELS.exec(path)?.[1]
  if (models !== undefined) return `/v1${models}${query}`
  return ASR.test(path) ? `${path}${query}` : url
}

/** In which form errors of a path are told: OpenAI's, this API's, or `both` in one body. */
export function errorFormOf(path: string): 'openai' | 'own' | 'both' {
  if (/^\/(?:v1\/audio|openai)(?:\/|$)/.test(path)) return 'openai'
  return /^\/v1\/models(?:\/|$)/.test(path) ? 'both' : 'own'
}
