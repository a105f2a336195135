import type { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { ApiError } from '../errors/api-error.ts'
import { ignore } from './arriving.ts'

const MULTIPART = /^multipart\/form-data\s*;.*\bboundary=/i
/** More than any form has beside its file. */
const MAX_FIELDS = 20
/** Beside its file, and of its first piece: so little is counted nowhere, for uploads of an hour hold it as well. */
const FREE_BYTES = 2 ** 16

/** A form as browsers and `curl -F` send it. */
export interface Form {
  /** The one file that it holds. What ends it early is an `ApiError`, or what ended the body. */
  readonly file: Readable
  /** As the form calls it, without a path; undefined: it does not. */
  readonly fileName: string | undefined
  /** All other fields, once the whole form has come. */
  readonly fields: Promise<ReadonlyMap<string, string>>
}

/** Whether the Content-Type is that of a form; one that says nothing of the form's boundary can be no form's. */
export function isForm(contentType: string): boolean {
  return MULTIPART.test(contentType)
}

export interface FormLimits {
  /** Of all that is beside the file. */
  readonly maxFieldBytes: number
  /** Told of memory that it takes; what it throws ends the form. */
  readonly onFieldBytes: (bytes: number) => void
}

/**
 * The form that a body is, once its file begins.
 * @throws ApiError 400 when it holds no file, or is no form; 413 when it has too much beside it
 */
export async function readForm(
  body: Readable,
  contentType: string,
  { maxFieldBytes, onFieldBytes }: FormLimits,
): Promise<Form> {
  const begun = Promise.withResolvers<Readable>()
  const whole = Promise.withResolvers<ReadonlyMap<string, string>>()
  // Whoever waits for the file alone is told by that.
  whole.promise.catch(() => undefined)
  const fields = new Map<string, string>()
  let file: Readable | undefined
  const form = openForm(contentType, maxFieldBytes)
  let isInFile = false
  let besideBytes = 0
  const count = ({ length }: Uint8Array): void => {
    if (isInFile) return
    besideBytes += length
    try {
      if (besideBytes > maxFieldBytes + FREE_BYTES) throw tooLarge(maxFieldBytes)
      onFieldBytes(Math.max(0, Math.min(length, besideBytes - FREE_BYTES)))
    } catch (error) {
      fail(error instanceof Error ? error : refused('it could not be read', error))
    }
  }
  const fail = (error: Error): void => {
    body.off('data', count)
    body.unpipe(form)
    begun.reject(error)
    whole.reject(error)
    file?.destroy(error)
  }
  let fileName: string | undefined
  form.on('file', (name, stream, given) => {
    stream.on('error', ignore)
    if (file === undefined) {
      file = stream
      fileName = given
      isInFile = true
      stream.once('end', () => (isInFile = false))
      begun.resolve(stream)
      return
    }
    stream.resume()
    fail(refused(`it holds a second file (${JSON.stringify(name?.slice(0, 100))})`))
  })
  form.on('field', (name, value, isNameCut, isCut) => {
    if (isNameCut || isCut) fail(tooLarge(maxFieldBytes))
    else fields.set(name, value)
  })
  form.on('fieldsLimit', () => fail(refused(`it has more than ${MAX_FIELDS} fields`)))
  form.on('error', (cause) => fail(refused('it is none, or breaks off', cause)))
  form.on('finish', () => {
    begun.reject(refused('it holds no file'))
    whole.resolve(fields)
  })
  body.once('error', fail)
  body.on('data', count).pipe(form)
  return { file: await begun.promise, fileName, fields: whole.promise }
}

/** @throws ApiError 400 when the Content-Type is not what it seems */
function openForm(contentType: string, maxFieldBytes: number): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: { fieldSize: maxFieldBytes, fields: MAX_FIELDS, headerSize: 16_384, headerPairs: 50 },
    })
  } catch (cause) {
    throw refused('that names no boundary', cause)
  }
}

function tooLarge(maxFieldBytes: number): ApiError {
  return new ApiError(413, `The form has more than ${maxFieldBytes} bytes beside its file.`)
}

function refused(why: string, cause?: unknown): ApiError {
  return new ApiError(
    400,
    `The body is to be a multipart/form-data form with one file, as its Content-Type says, but ${why}. The recording can also be ` +
      'sent as the body itself.',
    { cause },
  )
}
