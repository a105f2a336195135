import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { PROJECT } from './server.ts'

const run = promisify(execFile)

/** OpenAI's client for Python, in the version that these tests were written with. */
const PACKAGE = 'openai==3.3.1'
/** What is made once for all runs of tests; git knows nothing of it. */
const CACHE = join(PROJECT, '.test-cache')
const ENVIRONMENT = join(CACHE, PACKAGE.replaceAll('=', '-'))
const PYTHON = join(ENVIRONMENT, 'bin/python')

/** Whether this machine has a Python that makes environments. */
export function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'import venv, ensurepip'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Path of a Python that has the client: made at the first call, from PyPI, and kept. */
export async function pythonWithOpenAi(): Promise<string> {
  if (existsSync(PYTHON)) return PYTHON
  await mkdir(CACHE, { recursive: true })
  // Whole before it has its name, whoever makes one at the same time. Paths in it are of no use to python itself.
  const folder = await mkdtemp(`${ENVIRONMENT}.`)
  try {
    const { VIRTUAL_ENV: _, ...env } = process.env
    await run('python3', ['-m', 'venv', folder], { env })
    await run(join(folder, 'bin/python'), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', PACKAGE], {
      env,
    })
    await rename(folder, ENVIRONMENT).catch((error: unknown) => {
      if (!existsSync(PYTHON)) throw error
    })
    return PYTHON
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
