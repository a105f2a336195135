import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'

/** @throws ApiError 409 when a job was submitted with the upload */
export async function requireUnused(key: string, { jobs }: ApiContext): Promise<void> {
  if (!(await jobs.usesPayload(key))) return
  throw new ApiError(409, 'This upload was submitted already, so it can’t be replaced. Ask for a new upload URL.')
}

/** What a submit of an upload that is not there is answered with: 409 that says how much of it is. */
export async function notUploaded(key: string, { payloads }: ApiContext): Promise<ApiError> {
  const { offset, length } = await payloads.uploads.progress(key)
  if (offset === 0) {
    return new ApiError(409, 'Nothing has been uploaded to URL yet. PUT the recording there first, then submit it.')
  }
  const rest = `Send the rest with PATCH and Upload-Offset: ${offset}, or PUT the whole recording, then submit it.`
  if (length === undefined) {
    const said = 'and was never said to be complete (Upload-Length)'
    return new ApiError(409, `The upload has ${offset} bytes, ${said}. ${rest}`)
  }
  return new ApiError(409, `The upload is not complete: ${offset} of ${length} bytes are there. ${rest}`)
}

export function emptyUpload(): ApiError {
  return new ApiError(400, 'The upload has no content. PUT the bytes of the recording.')
}
