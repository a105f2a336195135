import type { Dirent } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'

export interface FoundFile {
  readonly path: string
  readonly bytes: number
  /** Of its content. */
  readonly modifiedAt: Date
}

/** The files below a folder, at any depth; none where there is no such folder. What goes meanwhile is passed over. */
export async function* filesBelow(folder: string): AsyncGenerator<FoundFile> {
  for await (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      yield* filesBelow(path)
      continue
    }
    const found = await stat(path).catch(absent)
    if (found?.isFile() === true) yield { path, bytes: found.size, modifiedAt: found.mtime }
  }
}

/** One page of the folder in memory at a time. */
async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
  const entries = await opendir(folder).catch(absent)
  if (entries !== undefined) yield* entries
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
  throw error
}
