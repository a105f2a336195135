import process from 'node:process'
import { partOf } from './test/mutation/parts.ts'

const name = process.env['SOTTO_MUTATION'] ?? ''
const part = partOf(name)

/**
 * Of `npm run mutation`. Mutants that run when a module is loaded are left out: each would have all tests run again.
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner', './test/mutation/sample.ts'],
  vitest: { configFile: 'vitest.mutation.config.ts' },
  mutate: [...part.mutate],
  mutator: { excludedMutations: [...part.notMade] },
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  // What was found stays found while neither the mutant nor its test changes.
  incremental: true,
  incrementalFile: `.mutation/${name}.incremental.json`,
  // Engines have threads of their own.
  concurrency: 1,
  // A busy machine is no endless loop.
  timeoutMS: 60_000,
  // It would have TypeScript's old programming interface rewrite its paths; nothing reads it there.
  ignorePatterns: ['tsconfig.json', 'bench', 'deploy', 'docs', 'examples', 'data', 'results', '.mutation'],
  tempDirName: `.mutation/${name}`,
  reporters: ['sample', 'clear-text', 'progress-append-only', 'json'],
  clearTextReporter: { allowColor: false, logTests: false },
  jsonReporter: { fileName: `.mutation/${name}.json` },
  thresholds: { high: 90, low: 80, break: 80 },
}
