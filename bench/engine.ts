import { appendFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CONTESTS } from './engine/contests.ts'
import { jobs } from './engine/jobs.ts'
import { machine, watchOthers } from './engine/machine.ts'
import { memory } from './engine/memory.ts'
import { printTables } from './engine/report.ts'
import type { Result, Row } from './engine/report.ts'
import { steps } from './engine/steps.ts'

/**
 * Compares the engine with others on the same weights, recording, threads and parameters, and with itself, as JSON lines and tables.
 *
 *     npm run bench -- engine [part…] [--repeats 3] [--out file]
 *
 * A part is named in full (`whisper-cpp:tiny`) or by what it begins with (`whisper-cpp`). The engines to compare with are found by
 * SOTTO_BENCH_WHISPER_CPP (a `whisper-cli`), SOTTO_BENCH_TRANSFORMERS_JS (a folder with `node_modules/@huggingface/transformers`) and
 * SOTTO_BENCH_OPENAI_WHISPER (a Python that can import `whisper`, `torch` and `tiktoken`). What is made for them (models, files
 * in their formats, wavs) is kept in `.bench/`.
 */
const PARTS: Readonly<Record<string, (repeats: number) => Promise<Result>>> = {
  'steps:demo': () => steps('demo'),
  'steps:tiny': () => steps('tiny'),
  'steps:small': () => steps('small'),
  ...CONTESTS,
  'jobs:demo': (repeats) => jobs('demo', null, repeats),
  'jobs:tiny': (repeats) => jobs('tiny', null, repeats),
  'jobs:tiny-beams': (repeats) => jobs('tiny', 5, repeats),
  'jobs:small': (repeats) => jobs('small', null, repeats),
  'memory:demo': () => memory('demo'),
  'memory:tiny': () => memory('tiny'),
  'memory:small': () => memory('small'),
}

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { repeats: { type: 'string', default: '3' }, out: { type: 'string' } },
  })
  const wanted = Object.entries(PARTS).filter(
    ([name]) => positionals.length === 0 || positionals.some((part) => name === part || name.startsWith(`${part}:`)),
  )
  if (wanted.length === 0) throw new Error(`Name a part: ${Object.keys(PARTS).join(', ')}`)

  const rows: Row[] = []
  const report = async (row: Row): Promise<void> => {
    rows.push(row)
    console.log(JSON.stringify(row))
    if (values.out !== undefined) await appendFile(values.out, `${JSON.stringify(row)}\n`)
  }
  await report({ row: 'machine', ...(await machine()) })
  for (const [part, measure] of wanted) {
    const othersPercent = await watchOthers()
    // The other parts are worth having when one fails.
    const result = await measure(Number(values.repeats)).catch((error: unknown) => failed(part, error))
    await report({ ...result, othersPercent: await othersPercent() })
  }
  printTables(rows)
}

function failed(part: string, error: unknown): Result {
  return { row: 'failed', part, message: error instanceof Error ? error.message : String(error) }
}
