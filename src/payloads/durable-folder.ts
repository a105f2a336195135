import { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import process from 'node:process'

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
