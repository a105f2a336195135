import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { lockOwner } from './owner-lock.ts'

const CHILD = join(import.meta.dirname, '../../../test/support/sqlite-store.child.ts')
const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'sotto-lock-'))

/** A process that owns the folder, or has ended with an exit code since it could not. */
async function otherOwner(folder: string) {
  const child = spawn(process.execPath, [CHILD, 'own', folder], { stdio: ['ignore', 'pipe', 'ignore'] })
  const closed = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), closed])
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await closed
  }
  return { kill, exitCode: child.exitCode, [Symbol.asyncDispose]: kill }
}

describe('lockOwner', () => {
  test('keeps another server of this process out, until it is disposed', async () => {
    await using folder = await temporaryFolder()
    {
      await using _ = await lockOwner(folder.path)
      const error = { code: 'store.in_use', retryable: false, message: expect.stringContaining(folder.path) }
      await expect(lockOwner(folder.path)).rejects.toMatchObject(error)
      await expect(lockOwner(folder.path)).rejects.toMatchObject(error)
    }
    await using _ = await lockOwner(folder.path)
  })

  test('keeps a server of another process out, until kill -9', async () => {
    await using folder = await temporaryFolder()
    await using other = await otherOwner(folder.path)
    await expect(lockOwner(folder.path)).rejects.toMatchObject({ code: 'store.in_use' })
    await other.kill()
    await using _ = await lockOwner(folder.path)
  })

  test('holds against another process after attempts of this one', async () => {
    await using folder = await temporaryFolder()
    await using _ = await lockOwner(folder.path)
    await expect(lockOwner(folder.path)).rejects.toMatchObject({ code: 'store.in_use' })
    await using other = await otherOwner(folder.path)
    expect(other.exitCode).toBe(1)
  })

  test('says that a folder is not there', async () => {
    await using folder = await temporaryFolder()
    await expect(lockOwner(join(folder.path, 'none'))).rejects.toMatchObject({ code: 'store.unavailable' })
  })
})
