import { extname } from 'node:path'
import type { FastifyRequest } from 'fastify'
import { hasCode } from '../../contract/coded-error.ts'
import type { NewJob } from '../../jobs/job-store.ts'
import { UNKNOWN_EXTENSION, Upload } from '../../payloads/uploads/upload.ts'
import type { ApiContext } from '../context.ts'
import { ApiError } from '../errors/api-error.ts'
import { isOwnUrl, notOurs, uploadOf } from '../urls.ts'
import { uploadedRecording } from './uploaded-recording.ts'

/** What a job takes of its recording. */
export type SubmittedRecording = Required<Pick<NewJob, 'payloadKey' | 'payloadVersion' | 'sourceUrl' | 'audioSeconds'>>

/** Of a recording that nobody has seen yet: what the synchronous API counts for one in a body. It is counted by what it turns out to have. */
const UNSEEN_SECONDS = 60

/**
 * The recording that a submit names: uploaded here, or to be fetched from somebody else's URL.
 * @param signal aborted when its client leaves
 * @throws ApiError 400 for a URL that this server does not ask, 403 for another key's upload, 409 when nothing was uploaded, 413
 */
export async function submittedRecording(
  url: string,
  request: FastifyRequest,
  context: ApiContext,
  signal: AbortSignal,
): Promise<SubmittedRecording> {
  const { owner } = request
  const upload = await uploadOf(url, owner, context)
  if (upload === undefined) {
    if (await isOwnUrl(url, request, context)) throw notOurs()
    return await remoteRecording(url, owner, context, signal)
  }
  const { payloadKey, payloadVersion, audioSeconds } = await uploadedRecording(upload.key, owner, context)
  return { payloadKey, payloadVersion, audioSeconds, sourceUrl: null }
}

/**
 * A recording that is to be fetched. The place that it is stored in is made here, as for an upload: nobody is given its URL.
 * @throws ApiError 400
 */
export async function remoteRecording(
  given: string,
  owner: string,
  { guard, signingSecret }: ApiContext,
  signal: AbortSignal,
): Promise<SubmittedRecording> {
  try {
    // As it was parsed: ASCII, whatever was given.
    const { pathname, href: sourceUrl } = await guard.judge(given, signal)
    const { key: payloadKey } = Upload.mint(signingSecret, owner, extensionOf(pathname))
    return { payloadKey, payloadVersion: null, sourceUrl, audioSeconds: UNSEEN_SECONDS }
  } catch (error) {
    if (signal.aborted)
      throw new ApiError(408, 'The client left before the URL’s host was looked up.', { cause: error })
    if (!(error instanceof Error) || !hasCode(error, 'outbound.refused')) throw error
    const message = `URL is not an upload URL of this server, and it can’t be fetched. ${error.message}`
    throw new ApiError(400, message, { cause: error })
  }
}

/** What the name ends in, which tells other servers the format. */
function extensionOf(pathname: string): string {
  return /^\.([a-z\d]{1,16})$/.exec(extname(pathname).toLowerCase())?.[1] ?? UNKNOWN_EXTENSION
}
