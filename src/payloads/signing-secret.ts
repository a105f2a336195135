import { randomBytes } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder } from './folder/durable-folder.ts'
import { PayloadError } from './errors.ts'

const SECRET_BYTES = 32

/**
 * The secret that presigned URLs are signed with: made at the first start, kept as `signing-secret` in the data folder for
 * this user alone, so that URLs outlive a restart. Two processes must not do this at once on a new folder.
 * @throws PayloadError `secret.invalid` when the file has another length than was written
 */
export async function openSigningSecret(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, 'signing-secret')
  const secret = (await readFile(path).catch(absent)) ?? (await make(dataDir, path))
  if (secret.length !== SECRET_BYTES) {
    throw new PayloadError(
      'secret.invalid',
      `${path} holds ${secret.length} bytes instead of ${SECRET_BYTES}. Restore it from a backup, or remove it to have a new one ` +
        'made; URLs signed so far will then be refused.',
    )
  }
  return secret
}

/** The file appears whole or not at all. */
async function make(dataDir: string, path: string): Promise<Buffer> {
  const secret = randomBytes(SECRET_BYTES)
  const temporary = `${path}.tmp`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(secret)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncFolder(dataDir)
  return secret
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}
