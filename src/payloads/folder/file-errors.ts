import { PayloadError } from '../errors.ts'

/**
 * Translates errors of the file system into `PayloadError`s. An abort's reason is rethrown unchanged, and so is any other error: that is a
 * bug of ours.
 */
export async function available<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    if (signal?.aborted === true && cause === signal.reason) throw cause
    const meaning = meaningOf(cause)
    if (meaning === undefined) throw cause
    throw new PayloadError('payload.unavailable', `The payload store failed: ${meaning}.`, { cause })
  }
}

const UNWRITABLE = 'its folder cannot be written'
const TOO_MANY = 'too many files are open'
const AWAY = 'its disk does not answer'

/** By the system's code: what may be another time, or when somebody has seen to it. */
const MEANINGS: Readonly<Record<string, string>> = {
  ENOSPC: 'its disk is full',
  EDQUOT: 'its disk quota is used up',
  EIO: 'its disk reports an input or output error',
  EACCES: UNWRITABLE,
  EPERM: UNWRITABLE,
  EROFS: UNWRITABLE,
  EMFILE: TOO_MANY,
  ENFILE: TOO_MANY,
  ENOMEM: 'there is not enough memory',
  ENOENT: 'its folder is gone',
  ENOTDIR: 'something that is no folder is in its place',
  EEXIST: 'something that is no folder is in its place',
  EFBIG: 'it takes no file of that size',
  // Of network file systems, and of disks that were taken out.
  EAGAIN: AWAY,
  EBUSY: AWAY,
  EHOSTDOWN: AWAY,
  EHOSTUNREACH: AWAY,
  ENODEV: AWAY,
  ENOTCONN: AWAY,
  ENXIO: AWAY,
  ESTALE: AWAY,
  ETIMEDOUT: AWAY,
}

/** Why the file system failed, as part of a sentence; undefined: that is not what happened. */
export function meaningOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error)) return undefined
  const code = systemCode(error)
  return typeof code === 'string' ? MEANINGS[code] : undefined
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
