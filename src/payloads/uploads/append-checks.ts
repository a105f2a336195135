import { PayloadError } from '../errors.ts'
import type { AppendOptions } from './client-uploads.ts'
import type { UploadState } from './partial-files.ts'

/** The length of the upload, if anybody has said it, when the append fits to what is there. */
export function checkAppend({ offset = 0, length, complete }: UploadState, options: AppendOptions): number | undefined {
  if (complete !== undefined) {
    throw new PayloadError(
      'payload.complete',
      `The upload has all its ${complete} bytes already. Remove it to begin again.`,
    )
  }
  if (options.offset !== offset) throw wrongOffset(options.offset, offset)
  if (length !== undefined && options.length !== undefined && length !== options.length) {
    throw new PayloadError(
      'payload.wrong_length',
      `The upload was said to have ${length} bytes, so it can’t have ${options.length}. Remove it to begin again.`,
    )
  }
  const agreed = length ?? options.length
  if (agreed !== undefined && agreed < offset) {
    throw new PayloadError('payload.wrong_length', `The upload has ${offset} bytes already, more than ${agreed}.`)
  }
  const { maxBytes = Infinity, bodyBytes = 0 } = options
  if (agreed !== undefined && agreed > maxBytes) throw tooLarge(maxBytes)
  const limit = limitOf(agreed, options)
  if (offset + bodyBytes > limit) throw tooLarge(limit)
  return agreed
}

/** Bytes that the upload may have. */
export function limitOf(length: number | undefined, { maxBytes = Infinity }: AppendOptions): number {
  return Math.min(length ?? Infinity, maxBytes)
}

export function wrongOffset(given: number, offset: number): PayloadError {
  return new PayloadError(
    'payload.wrong_offset',
    `The upload has ${offset} bytes, so it goes on at offset ${offset}, not at ${given}. Ask where it goes on, then send the rest.`,
  )
}

export function tooLarge(limit: number): PayloadError {
  return new PayloadError('payload.too_large', `The upload would have more than the ${limit} bytes that it may have.`)
}
