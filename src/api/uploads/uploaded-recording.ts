import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import type { Recording } from './recordings.ts'
import type { PayloadKey } from '../../payloads/payload-key.ts'
import { notUploaded } from './upload-state.ts'

/**
 * The recording that was uploaded under a key.
 * @throws ApiError 409 when nothing was uploaded, 413 when it is too large
 */
export async function uploadedRecording(key: PayloadKey, owner: string, context: ApiContext): Promise<Recording> {
  const { recordings, settings } = context
  const uploaded = await recordings.find(key, owner)
  // Where uploads go past this server, it is seen here alone that one is empty or too large.
  if (uploaded === undefined || uploaded.bytes === 0) throw await notUploaded(key, context)
  if (uploaded.bytes > settings.maxUploadBytes) {
    throw new ApiError(
      413,
      `The recording has ${uploaded.bytes} bytes; this server takes up to ${settings.maxUploadBytes} (SOTTO_MAX_UPLOAD_BYTES).`,
    )
  }
  return uploaded
}
