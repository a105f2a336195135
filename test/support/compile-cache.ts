import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { Server, temporaryFolder } from './server.ts'

const CHILD = join(import.meta.dirname, 'compile-cache.child.ts')

/**
 * What Node has compiled, of our TypeScript above all, is kept for the processes that a run of tests starts: a server and an engine are
 * there in two thirds of the time.
 */
export default async function keepCompiled(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'sotto-test-compiled-'))
  process.env['NODE_COMPILE_CACHE'] = folder
  const kept = Promise.all([keepServer(), promisify(execFile)(process.execPath, [CHILD])])
  return async () => {
    await kept
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Node keeps it when a process ends by itself, as few of the tests' servers do. */
async function keepServer(): Promise<void> {
  await using folder = await temporaryFolder()
  await using server = await Server.start({ dataDir: folder.path })
  await server.end('SIGTERM')
}
