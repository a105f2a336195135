import type { ApiContext } from './context.ts'
import { ApiError } from './errors.ts'

/** @throws ApiError 409 when a job was submitted with the upload */
export async function requireUnused(key: string, { jobs }: ApiContext): Promise<void> {
  if (!(await jobs.usesPayload(key))) return
  throw new ApiError(409, 'This upload was submitted already, so it can’t be replaced. Ask for a new upload URL.')
}

/** @throws ApiError 409 that says how much is there */
export async function requireUploaded(key: string, { payloads, resumable }: ApiContext): Promise<void> {
  if ((await payloads.size(key)) !== undefined) return
  const { offset, length } = (await resumable?.progress(key)) ?? { offset: 0, length: undefined }
  if (offset === length) return
  if (offset === 0) {
    throw new ApiError(409, 'Nothing has been uploaded to URL yet. PUT the recording there first, then submit it.')
  }
  const rest = `Send the rest with PATCH and Upload-Offset: ${offset}, or PUT the whole recording, then submit it.`
  if (length === undefined) {
    throw new ApiError(
      409,
      `The upload has ${offset} bytes, and was never said to be complete (Upload-Length). ${rest}`,
    )
  }
  throw new ApiError(409, `The upload is not complete: ${offset} of ${length} bytes are there. ${rest}`)
}

export function emptyUpload(): ApiError {
  return new ApiError(400, 'The upload has no content. PUT the bytes of the recording.')
}
