/** What is mutated, and by which tests each mutant is to be found. */
export interface Part {
  readonly mutate: readonly string[]
  readonly tests: readonly string[]
  /** Files of tests of servers and other processes: a mutant is active in the tests' own process alone. */
  readonly notTests: readonly string[]
  /** Words of the names of such tests, and of those that take seconds, in files with others. */
  readonly notNamed: readonly string[]
  /** Kinds of mutants that are not made. */
  readonly notMade: readonly string[]
}

const SUPPORT = ['test', 'contract', 'fixture', 'child'].map((kind) => `!src/**/*.${kind}.ts`)

const DECODING = ['decode', 'detect-language'].map((name) => `src/models/whisper/decoding/${name}.ts`)

// Most are words for people in errors and logs; names of columns and statements of SQL would nearly all be found, by everything.
const NO_WORDS = ['StringLiteral']

const ENGINES = [
  'engine-process',
  'engine-end',
  'cage',
  'sandbox',
  'sandbox-trial',
  'module-folders',
  'local-transcriber',
]

const PARTS: Readonly<Record<string, Part>> = {
  // The rules by their own tests alone, which take milliseconds; what puts them together by windows that are decoded.
  rules: {
    mutate: ['src/models/whisper/decoding/*.ts', ...DECODING.map((path) => `!${path}`), ...SUPPORT],
    tests: ['src/models/whisper/decoding/*.test.ts'],
    notTests: ['src/models/whisper/decoding/decode.test.ts'],
    notNamed: [],
    notMade: [],
  },
  decoding: {
    mutate: DECODING,
    tests: ['src/models/whisper/decoding/decode.test.ts'],
    notTests: [],
    notNamed: [],
    notMade: [],
  },
  jobs: {
    mutate: ['src/jobs/**/*.ts', '!src/jobs/postgres/**', ...SUPPORT],
    // Two of its tests are where both rooms that they need may be imported.
    tests: ['src/jobs/**/*.test.ts', 'test/orphans.test.ts', 'test/installation.test.ts'],
    notTests: ['src/jobs/postgres/**', 'src/jobs/sql/schema-steps.test.ts'],
    notNamed: ['kill -9', 'several processes', 'stays locked'],
    notMade: NO_WORDS,
  },
  payloads: {
    mutate: ['src/payloads/**/*.ts', ...SUPPORT],
    tests: ['src/payloads/**/*.test.ts'],
    notTests: [],
    notNamed: ['kill -9', 'without keeping them in memory'],
    notMade: NO_WORDS,
  },
  worker: {
    // Without what starts an engine's process and hears it: each of its tests takes seconds, and many of them see it killed or hanging.
    mutate: ['src/worker/**/*.ts', ...ENGINES.map((name) => `!src/worker/engines/${name}.ts`), ...SUPPORT],
    tests: ['src/worker/**/*.test.ts'],
    notTests: ['engine-process', 'cage', 'sandbox'].map((name) => `src/worker/engines/${name}.test.ts`),
    notNamed: [],
    notMade: NO_WORDS,
  },
}
export const PART_NAMES = Object.keys(PARTS)

/** @throws RangeError when there is no such part */
export function partOf(name = ''): Part {
  const part = PARTS[name]
  if (part === undefined) throw new RangeError(`say what to mutate: one of ${PART_NAMES.join(', ')}`)
  return part
}
