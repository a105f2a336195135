import { request } from 'node:http'
import type { ClientRequest, OutgoingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { Upload } from 'tus-js-client'
import type { UploadOptions } from 'tus-js-client'

export const TUS = { 'tus-resumable': '1.0.0' }
export const PATCH = { ...TUS, 'content-type': 'application/offset+octet-stream' }

/** Uploads to a URL as a user's program does that knows tus; says what HEAD answered on the way. */
export async function tusUpload(url: string, bytes: Buffer, options: UploadOptions = {}): Promise<readonly number[]> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const offsets: number[] = []
  const upload = new Upload(bytes, {
    uploadUrl: url,
    uploadLengthDeferred: true,
    retryDelays: [0, 20, 100, 500],
    storeFingerprintForResuming: false,
    onAfterResponse: (sent, answer) => {
      if (sent.getMethod() === 'HEAD') offsets.push(Number(answer.getHeader('Upload-Offset')))
    },
    onSuccess: () => resolve(),
    onError: reject,
    ...options,
  })
  upload.start()
  await promise
  return offsets
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** A request that is sent in pieces; its answer, which may never come, is `answer`. */
export function rawRequest(
  url: string,
  method: string,
  headers: OutgoingHttpHeaders,
): { readonly sent: ClientRequest; readonly answer: Promise<Answer> } {
  const { promise: answer, resolve, reject } = Promise.withResolvers<Answer>()
  const sent = request(url, { method, headers, agent: false }, (response) => {
    const { statusCode: status = 0, headers: answered } = response
    text(response).then((body) => resolve({ status, headers: answered, body }), reject)
  })
  sent.on('error', reject)
  // Its end may come before anybody looks at it.
  answer.catch(() => undefined)
  return { sent, answer }
}

export async function raw(url: string, method: string, headers: OutgoingHttpHeaders, body = ''): Promise<Answer> {
  const { sent, answer } = rawRequest(url, method, headers)
  sent.end(body)
  return await answer
}

export async function patch(url: string, offset: number, body: string | Uint8Array<ArrayBuffer>, length?: number) {
  const announced: Record<string, string> = length === undefined ? {} : { 'upload-length': String(length) }
  const headers = { ...PATCH, ...announced, 'upload-offset': String(offset) }
  return await fetch(url, { method: 'PATCH', headers, body })
}

/** `offset/length` as HEAD tells them. */
export async function progressOf(url: string): Promise<string> {
  const { status, headers } = await fetch(url, { method: 'HEAD', headers: TUS })
  if (status !== 200) throw new Error(`HEAD: ${status}`)
  return `${headers.get('upload-offset')}/${headers.get('upload-length') ?? 'unknown'}`
}
