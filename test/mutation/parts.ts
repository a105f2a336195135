/** What is mutated, and by which tests each mutant is to be found. */
export interface Part {
  readonly mutate: readonly string[]
  readonly tests: readonly string[]
  /** Of servers and other processes: a mutant is active in the tests' own process alone. */
  readonly notTests: readonly string[]
}

const SUPPORT = ['test', 'contract', 'fixture', 'child'].map((kind) => `!src/**/*.${kind}.ts`)

const DECODING = ['decode', 'detect-language'].map((name) => `src/models/whisper/decoding/${name}.ts`)

const PARTS: Readonly<Record<string, Part>> = {
  // The rules by their own tests alone, which take milliseconds; what puts them together by windows that are decoded.
  rules: {
    mutate: ['src/models/whisper/decoding/*.ts', ...DECODING.map((path) => `!${path}`), ...SUPPORT],
    tests: ['src/models/whisper/decoding/*.test.ts'],
    notTests: ['src/models/whisper/decoding/decode.test.ts'],
  },
  decoding: { mutate: DECODING, tests: ['src/models/whisper/decoding/decode.test.ts'], notTests: [] },
  jobs: {
    mutate: ['src/jobs/**/*.ts', '!src/jobs/postgres/**', ...SUPPORT],
    tests: ['src/jobs/**/*.test.ts'],
    notTests: ['src/jobs/postgres/**', 'src/jobs/sql/schema-steps.test.ts'],
  },
  payloads: { mutate: ['src/payloads/**/*.ts', ...SUPPORT], tests: ['src/payloads/**/*.test.ts'], notTests: [] },
  worker: { mutate: ['src/worker/**/*.ts', ...SUPPORT], tests: ['src/worker/**/*.test.ts'], notTests: [] },
}
export const PART_NAMES = Object.keys(PARTS)

/** @throws RangeError when there is no such part */
export function partOf(name = ''): Part {
  const part = PARTS[name]
  if (part === undefined) throw new RangeError(`say what to mutate: one of ${PART_NAMES.join(', ')}`)
  return part
}
