import process from 'node:process'
import { parseArgs } from 'node:util'
import { hasPostgres } from '../support/postgres.ts'
import { clusterChaos } from './cluster-chaos.ts'
import { embeddedChaos } from './embedded-chaos.ts'
import { isClean } from './report.ts'
import { restoredChaos } from './restored-chaos.ts'

/**
 * Lets things go wrong at random while clients work, and counts what was lost: `npm run chaos -- [--seconds 600] [--seed 1]
 * [--clients 8] [--only embedded|restored|cluster]`.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    clients: { type: 'string', default: '6' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string' },
  },
})
const options = {
  seconds: Number(values.seconds),
  clients: Number(values.clients),
  seed: Number(values.seed),
  pauseMs: 3000,
}
const SETUPS = {
  embedded: embeddedChaos,
  restored: restoredChaos,
  ...(hasPostgres ? { cluster: clusterChaos } : {}),
}
for (const [name, setup] of Object.entries(SETUPS)) {
  if (values.only !== undefined && values.only !== name) continue
  const report = await setup(options)
  console.log(JSON.stringify(report, null, 2))
  if (!isClean(report)) process.exitCode = 1
}
