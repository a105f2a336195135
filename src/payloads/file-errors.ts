import { PayloadError } from './errors.ts'

/** Gives errors of the file system as `PayloadError`s; a reason to abort stays what it is. */
export async function available<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    if (cause instanceof PayloadError || cause instanceof TypeError) throw cause
    if (signal?.aborted === true && cause === signal.reason) throw cause
    throw new PayloadError('payload.unavailable', `The payload store failed: ${meaningOf(cause)}.`, { cause })
  }
}

/** Why the file system failed, as part of a sentence. */
export function meaningOf(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOSPC':
      return 'its disk is full'
    case 'EDQUOT':
      return 'its disk quota is used up'
    case 'EIO':
      return 'its disk reports an input or output error'
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'its folder cannot be written'
    case 'EMFILE':
    case 'ENFILE':
      return 'too many files are open'
    default:
      return 'it does not answer'
  }
}

/** What is not there, as undefined; other errors are thrown on. */
export function absent(error: unknown): undefined {
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
  throw error
}

function systemCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
