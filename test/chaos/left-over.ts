import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MARKER_KEY } from '../../src/jobs/keeping/installation.ts'
import { filesBelow } from '../../src/payloads/folder/files-below.ts'

/** What stays for more than a minute, in which removals that failed are done again. */
export async function settled(look: () => readonly string[] | Promise<readonly string[]>): Promise<readonly string[]> {
  const endMs = performance.now() + 60_000
  for (let found = await look(); ; found = await look()) {
    if (found.length === 0 || performance.now() > endMs) return found
    await delay(200)
  }
}

/** What tells which installation a payload store belongs to; it stays as long as that does. */
export function isInstallations(path: string): boolean {
  return path.endsWith(MARKER_KEY)
}

/** Paths of a data folder's recordings and results, of which some may just be removed. */
export async function objectsIn(dataDir: string): Promise<readonly string[]> {
  const files = await Array.fromAsync(filesBelow(join(dataDir, 'payloads/objects')))
  return files.map(({ path }) => path).filter((path) => !isInstallations(path))
}

/** Of processes that have ended. */
export async function temporaryFilesIn(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(join(folder, 'tmp'), { recursive: true })
      return names.map((name) => join('tmp', name))
    }),
  )
  return found.flat()
}
