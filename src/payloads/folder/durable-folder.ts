import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import process from 'node:process'
import { absent } from './file-errors.ts'

/** Makes the names in a folder durable: those that were added, replaced or removed. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows can't open a folder; NTFS journals its names.
  if (process.platform === 'win32') return
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a folder for this user alone, with the missing ones above it, each of them durable in its parent. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const { length } = resolve(first)
  for (let made = resolve(folder); made.length >= length; made = dirname(made)) await syncFolder(dirname(made))
}

/** Renames a file to its place, durable. A folder that a removal prunes meanwhile is made again. */
export async function place(temporary: string, path: string): Promise<void> {
  const folder = dirname(path)
  for (let tries = 3; ; tries--) {
    try {
      await makeFolder(folder)
      await rename(temporary, path)
      break
    } catch (error) {
      if (tries === 1) throw error
      absent(error)
    }
  }
  await syncFolder(folder)
}
