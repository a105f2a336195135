import process from 'node:process'
import { parseArgs } from 'node:util'
import type { FuzzOptions } from './cases.ts'
import { PARTS, fuzz } from './parts.ts'
import type { PartName } from './parts.ts'
import { printReport } from './report.ts'

/**
 * Sends a server what no client would: `npm run fuzz -- [--seconds 60] [--seed 1] [--only requests,media,models,hub] [--case 17]`.
 * Exits with 1 when anything was wrong.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', default: PARTS.join(',') },
    case: { type: 'string' },
  },
})
const wanted = values.only.split(',')
const unknown = wanted.filter((name) => !PARTS.some((part) => part === name))
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}: name some of ${PARTS.join(',')}.`)
  process.exit(2)
}
const numbers = { seconds: Number(values.seconds), seed: Number(values.seed), case: Number(values.case ?? 0) }
for (const [name, number] of Object.entries(numbers)) {
  if (Number.isFinite(number) && number >= 0) continue
  console.error(`--${name} takes a number.`)
  process.exit(2)
}
const isOneCase = values.case !== undefined
const options: FuzzOptions = {
  ...{ seed: numbers.seed, seconds: numbers.seconds, firstCase: numbers.case },
  maxCases: isOneCase ? 1 : Number.MAX_SAFE_INTEGER,
}
console.log(`seed ${options.seed}`)
const parts = PARTS.filter((part): part is PartName => wanted.includes(part))
for await (const report of fuzz(parts, options)) {
  if (!printReport(report, options.seed)) process.exitCode = 1
}
