import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { PROJECT } from '../support/server.ts'
import { PART_NAMES, partOf } from './parts.ts'

/**
 * `npm run mutation -- <part…> [--one-of 8]`: changes each part in small ways, one after the other, and says which changes no test has
 * found; of so many mutants only one.
 */
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { 'one-of': { type: 'string', default: '1' } },
})
for (const name of positionals.length === 0 ? PART_NAMES : positionals) {
  partOf(name)
  const stryker = spawn(process.execPath, [join(PROJECT, 'node_modules/.bin/stryker'), 'run'], {
    cwd: PROJECT,
    env: { ...process.env, SOTTO_MUTATION: name, SOTTO_MUTATION_ONE_OF: values['one-of'] },
    stdio: 'inherit',
  })
  const [code] = (await once(stryker, 'exit')) as [number | null]
  if (code !== 0) process.exitCode = 1
}
