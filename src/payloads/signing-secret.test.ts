import { mkdtempDisposable, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { openSigningSecret } from './signing-secret.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'sotto-secret-'))

describe('openSigningSecret', () => {
  test('makes 32 bytes once, and another 32 elsewhere', async () => {
    await using folder = await temporaryFolder()
    await using other = await temporaryFolder()
    const secret = await openSigningSecret(folder.path)
    expect(secret).toHaveLength(32)
    expect(await openSigningSecret(folder.path)).toEqual(secret)
    expect(await openSigningSecret(other.path)).not.toEqual(secret)
    expect(await readdir(folder.path)).toEqual(['signing-secret'])
  })

  test.skipIf(process.platform === 'win32')('lets nobody else read it', async () => {
    await using folder = await temporaryFolder()
    await openSigningSecret(folder.path)
    expect((await stat(join(folder.path, 'signing-secret'))).mode & 0o777).toBe(0o600)
  })

  test('takes no notice of what a killed start left', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'signing-secret.tmp'), 'half')
    expect(await openSigningSecret(folder.path)).toHaveLength(32)
    expect(await readdir(folder.path)).toEqual(['signing-secret'])
  })

  test.each([0, 31, 33, 64])('refuses a file of %d bytes and leaves it', async (length) => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'signing-secret'), Buffer.alloc(length))
    const error = { code: 'secret.invalid', retryable: false, message: expect.stringContaining(`${length} bytes`) }
    await expect(openSigningSecret(folder.path)).rejects.toMatchObject(error)
    await expect(openSigningSecret(folder.path)).rejects.toMatchObject(error)
  })
  test.skipIf(process.platform === 'win32')('makes no new one in the place of one that can’t be read', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'signing-secret')
    await symlink(path, path)
    await expect(openSigningSecret(folder.path)).rejects.toMatchObject({ code: 'ELOOP' })
    expect(await readlink(path)).toBe(path)
  })
})
