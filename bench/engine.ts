import { appendFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { CONTESTS } from './engine/contests.ts'
import type { ComparisonRow } from './engine/comparison.ts'
import { machine } from './engine/machine.ts'

/**
 * Compares the engine with others on the same weights, recording, threads and parameters, as JSON lines and tables.
 *
 *     npm run bench -- engine [part…] [--repeats 3] [--out file]
 *
 * A part is named in full (`whisper-cpp:tiny`) or by what it begins with (`whisper-cpp`). The engines to compare with are found by
 * SOTTO_BENCH_WHISPER_CPP (a `whisper-cli`), SOTTO_BENCH_TRANSFORMERS_JS (a folder with `node_modules/@huggingface/transformers`) and
 * SOTTO_BENCH_OPENAI_WHISPER (a Python that can import `whisper`, `torch` and `tiktoken`).
 */
const PARTS = { ...CONTESTS }

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
  const report = async (line: unknown): Promise<void> => {
    console.log(JSON.stringify(line))
    if (values.out !== undefined) await appendFile(values.out, `${JSON.stringify(line)}\n`)
  }
  await report({ row: 'machine', ...(await machine()) })
  const rows: ComparisonRow[] = []
  for (const [, measure] of wanted) {
    const row = await measure(Number(values.repeats))
    await report(row)
    rows.push(row)
  }
  console.table(rows.map(tableRow))
}

function tableRow(row: ComparisonRow): Record<string, unknown> {
  return {
    against: row.against,
    on: row.on,
    'ours, s': round(row.ours.seconds),
    'theirs, s': row.peer === 'not here' ? 'not here' : round(row.peer.seconds),
    'times faster': round(row.timesFaster),
    goal: row.goal,
    'ours, audio s/s': round(row.audioSeconds / row.ours.seconds),
    'other words, %': round(row.otherWordsPercent),
    'WER, %': `${round(row.ourWordErrorPercent) ?? ''} / ${round(row.peerWordErrorPercent) ?? ''}`,
  }
}

function round(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100
}
