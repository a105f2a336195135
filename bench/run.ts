import process from 'node:process'

/** Each benchmark is a file beside this one that exports `run`. */
const BENCHMARKS: Readonly<Record<string, () => Promise<{ run: (args: readonly string[]) => Promise<void> }>>> = {
  engine: () => import('./engine.ts'),
  'engine-plot': () => import('./engine/plot.ts'),
  'engine-steps': () => import('./engine/steps.ts'),
  'engine-transformers-js': () => import('./engine/transformers-js.ts'),
  fidelity: () => import('./fidelity.ts'),
  'first-text': () => import('./first-text.ts'),
  gpu: () => import('./gpu.ts'),
  hour: () => import('./hour.ts'),
  resume: () => import('./resume.ts'),
  service: () => import('./service.ts'),
}

// As src/main.ts does for the program.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1'
const [name = '', ...args] = process.argv.slice(2)
const load = BENCHMARKS[name]
if (load === undefined) {
  console.error(`Name a benchmark: ${Object.keys(BENCHMARKS).join(', ')}`)
  process.exitCode = 2
} else {
  const { run } = await load()
  await run(args)
}
