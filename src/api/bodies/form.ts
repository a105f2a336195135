import type { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { ApiError } from '../errors.ts'
import { ignore } from './arriving.ts'

const MULTIPART = /^multipart\/form-data\s*;.*\bboundary=/i
/** More than any form has beside its file. */
const MAX_FIELDS = 20

/** A form as browsers and `curl -F` send it. */
export interface Form {
  /** The one file that it holds. What ends it early is an `ApiError`, or what ended the body. */
  readonly file: Readable
  /** All other fields, once the whole form has come. */
  readonly fields: Promise<ReadonlyMap<string, string>>
}

/** Whether the Content-Type is that of a form; one that says nothing of the form's boundary can be no form's. */
export function isForm(contentType: string): boolean {
  return MULTIPART.test(contentType)
}

/**
 * The form that a body is, once its file begins.
 * @throws ApiError 400 when it holds no file, or is no form
 */
export async function readForm(body: Readable, contentType: string, maxFieldBytes: number): Promise<Form> {
  const begun = Promise.withResolvers<Readable>()
  const whole = Promise.withResolvers<ReadonlyMap<string, string>>()
  // Whoever waits for the file alone is told by that.
  whole.promise.catch(() => undefined)
  const fields = new Map<string, string>()
  let file: Readable | undefined
  const form = new Busboy({
    headers: { 'content-type': contentType },
    limits: { fieldSize: maxFieldBytes, fields: MAX_FIELDS, headerSize: 16_384, headerPairs: 50 },
  })
  const fail = (error: Error): void => {
    body.unpipe(form)
    begun.reject(error)
    whole.reject(error)
    file?.destroy(error)
  }
  form.on('file', (name, stream) => {
    stream.on('error', ignore)
    if (file === undefined) {
      file = stream
      begun.resolve(stream)
      return
    }
    stream.resume()
    fail(refused(`it holds a second file (${JSON.stringify(name?.slice(0, 100))})`))
  })
  form.on('field', (name, value, isNameCut, isCut) => {
    if (isNameCut || isCut) fail(new ApiError(413, `A field of the form has more than ${maxFieldBytes} bytes.`))
    else fields.set(name, value)
  })
  form.on('fieldsLimit', () => fail(refused(`it has more than ${MAX_FIELDS} fields`)))
  form.on('error', (cause) => fail(refused('it is none, or breaks off', cause)))
  form.on('finish', () => {
    begun.reject(refused('it holds no file'))
    whole.resolve(fields)
  })
  body.once('error', fail)
  body.pipe(form)
  return { file: await begun.promise, fields: whole.promise }
}

function refused(why: string, cause?: unknown): ApiError {
  return new ApiError(
    400,
    `The body is to be a multipart/form-data form with one file, as its Content-Type says, but ${why}. The recording can also be ` +
      'sent as the body itself.',
    { cause },
  )
}
