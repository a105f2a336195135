import { PayloadError } from '../errors.ts'

/** Translates errors of the S3 client into `PayloadError`s; an abort's reason is rethrown unchanged. */
export async function answering<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await action()
  } catch (error) {
    signal?.throwIfAborted()
    throw translated(error)
  }
}

/**
 * The error of an answer or a connection as a `PayloadError`. Neither keys nor signatures are in it. What is neither is a bug of ours, and
 * is returned unchanged.
 */
export function translated(error: unknown): Error {
  if (error instanceof PayloadError) return error
  if (error instanceof Error && !isForeign(error)) return error
  const cause = new S3Failure(error)
  if (isMissing(cause)) {
    return new PayloadError('payload.missing', 'The payload is not there, or not there any more.', { cause })
  }
  return new PayloadError('payload.unavailable', `The payload store failed: ${meaningOf(cause)}.`, { cause })
}

/** Whether the S3 answered it, or a connection or the SDK did, whose errors have names or codes of their own. */
function isForeign(error: Error): boolean {
  if (statusOf(error) !== undefined || 'code' in error || 'syscall' in error || '$service' in error) return true
  return !BUGS.has(error.constructor)
}

const BUGS: ReadonlySet<unknown> = new Set([TypeError, RangeError, ReferenceError, SyntaxError])

/** What is worth keeping of an error of the SDK, to which the whole answer hangs, and to that the signed request. */
class S3Failure extends Error {
  /** That the S3 gives the error, such as `NoSuchUpload`. */
  override readonly name: string
  /** Undefined when there was no answer. */
  readonly status: number | undefined

  constructor(error: unknown) {
    super(error instanceof Error ? error.message : String(error))
    this.name = error instanceof Error ? error.name : 'Error'
    this.status = statusOf(error)
    if (error instanceof Error && error.stack !== undefined) this.stack = error.stack
  }
}

/** Whether an error came of the S3's answering by this name, such as `NoSuchUpload`. */
export function causeIs(error: unknown, name: string): boolean {
  return error instanceof PayloadError && error.cause instanceof S3Failure && error.cause.name === name
}

/** An answer to HEAD has no body, hence no name: there the status is all that is known. */
function isMissing({ name, status }: S3Failure): boolean {
  return name === 'NoSuchKey' || (name === 'NotFound' && status === 404)
}

const CREDENTIALS =
  'AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile or role in their place'

function meaningOf({ name, status }: S3Failure): string {
  switch (name) {
    case 'NoSuchBucket':
      return 'its S3 has no such bucket; check SOTTO_PAYLOADS'
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
    case 'InvalidToken':
    case 'ExpiredToken':
    case 'TokenRefreshRequired':
      return `its S3 does not accept the credentials; check ${CREDENTIALS}`
    case 'CredentialsProviderError':
      return `there are no credentials for its S3; check ${CREDENTIALS}`
    case 'RequestTimeTooSkewed':
      return "the clocks of its S3 and of this machine differ; check this machine's"
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return 'its S3 has the bucket in another region; check AWS_REGION'
    case 'TimeoutError':
      return 'its S3 does not answer in time'
    default:
      return meaningOfStatus(status)
  }
}

function meaningOfStatus(status: number | undefined): string {
  if (status === undefined) return 'its S3 does not answer; check AWS_ENDPOINT_URL_S3 and the network'
  if (status === 301) return 'its S3 has the bucket in another region; check AWS_REGION'
  if (status === 401 || status === 403) return `its S3 denies access; check the bucket's policy, and ${CREDENTIALS}`
  if (status === 507) return 'its S3 is full'
  if (status >= 500 || status === 429) return 'its S3 is overloaded or out of order'
  return `its S3 refuses the request with status ${status}`
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  const { $metadata: metadata } = error
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined
}
