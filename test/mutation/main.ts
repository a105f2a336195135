import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import { PROJECT } from '../support/server.ts'
import { PART_NAMES, partOf } from './parts.ts'

/** `npm run mutation -- <part…>`: changes each part in small ways, one after the other, and says which changes no test has found. */
const given = process.argv.slice(2)
for (const name of given.length === 0 ? PART_NAMES : given) {
  partOf(name)
  const stryker = spawn(process.execPath, [join(PROJECT, 'node_modules/.bin/stryker'), 'run'], {
    cwd: PROJECT,
    env: { ...process.env, SOTTO_MUTATION: name },
    stdio: 'inherit',
  })
  const [code] = (await once(stryker, 'exit')) as [number | null]
  if (code !== 0) process.exitCode = 1
}
