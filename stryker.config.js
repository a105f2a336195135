import process from 'node:process'
import { partOf } from './test/mutation/parts.ts'

/**
 * Of `npm run mutation`. Mutants that run when a module is loaded are left out: each would have all tests run again.
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'vitest.mutation.config.ts' },
  mutate: [...partOf(process.env['SOTTO_MUTATION']).mutate],
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  // Engines have threads of their own.
  concurrency: 1,
  // It would have TypeScript's old programming interface rewrite its paths; nothing reads it there.
  ignorePatterns: ['tsconfig.json', 'bench', 'deploy', 'docs', 'examples', 'data', 'results'],
  tempDirName: '.mutation',
  reporters: ['clear-text', 'progress-append-only', 'json'],
  clearTextReporter: { allowColor: false, logTests: false },
  jsonReporter: { fileName: '.mutation/report.json' },
  thresholds: { high: 90, low: 80, break: 80 },
}
