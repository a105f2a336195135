import { constants } from 'node:fs'
import { lstat, open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** Not on Windows, where links take a right of their own. */
const NO_FOLLOW = constants.O_NOFOLLOW ?? 0

/**
 * Opens what was received of a file so far, to write on and to read. `HF_HOME` may be shared with others, who could have put a link
 * there that leads to a file of this user: what is no plain file of one name is removed, and a new one made.
 */
export async function openPartial(path: string): Promise<FileHandle> {
  if (!(await isPlain(path))) await rm(path, { force: true, recursive: true })
  try {
    return await open(path, constants.O_RDWR | NO_FOLLOW)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    return await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, 0o644)
  }
}

/** Bytes that were received so far. */
export async function partialBytes(path: string): Promise<number> {
  return (await isPlain(path)) ? (await lstat(path)).size : 0
}

async function isPlain(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found !== undefined && found.isFile() && found.nlink === 1
}
