import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { lockOwner } from './jobs/sqlite/owner-lock.ts'

/**
 * A scratch folder of this process alone; several processes may share the parent. It is removed with the process; what a killed one left is
 * removed by the next one, which finds its lock free.
 */
export async function openWorkFolder(parent: string): Promise<{ readonly path: string } & AsyncDisposable> {
  await mkdir(parent, { recursive: true, mode: 0o700 })
  await removeAbandoned(parent)
  const { path, lock } = await makeLocked(parent)
  return {
    path,
    async [Symbol.asyncDispose]() {
      await lock[Symbol.asyncDispose]()
      await rm(path, { recursive: true, force: true })
    },
  }
}

/** Another process that starts at the same time may take the folder for an abandoned one before its lock is there. */
async function makeLocked(
  parent: string,
  tries = 3,
): Promise<{ readonly path: string; readonly lock: AsyncDisposable }> {
  const path = join(parent, randomUUID())
  await mkdir(path, { mode: 0o700 })
  try {
    return { path, lock: await lockOwner(path) }
  } catch (error) {
    if (tries === 1) throw error
    return await makeLocked(parent, tries - 1)
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const path = join(parent, name)
    try {
      const lock = await lockOwner(path)
      await lock[Symbol.asyncDispose]()
    } catch {
      // In use, or being made or removed by another process this very moment.
      continue
    }
    await rm(path, { recursive: true, force: true })
  }
}
