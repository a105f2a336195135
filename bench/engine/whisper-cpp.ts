import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryFolder } from '../../test/support/server.ts'
import { THREADS } from './machine.ts'
import type { Sample, Side } from './measurements.ts'
import type { Parameters, Recording } from './sotto.ts'

/** Path of its `whisper-cli`. */
export const WHISPER_CPP = 'SOTTO_BENCH_WHISPER_CPP'

/** Which of the two is faster depends on the shape and on the machine. */
const ATTENTIONS = { 'flash attention': '-fa', 'no flash attention': '-nfa' } as const

/** @param model a file of its own format */
export function whisperCppSides(
  cli: string,
  model: string,
  recording: Recording,
  parameters: Parameters,
): readonly Side[] {
  return Object.entries(ATTENTIONS).map(([name, flag]) => ({
    name: `whisper.cpp, f16, ${name}`,
    run: () => runWhisperCpp(cli, [flag, '-m', model, ...argumentsOf(recording, parameters)]),
  }))
}

function argumentsOf(
  recording: Recording,
  { beamSize, conditionOnPreviousText, withoutTimestamps }: Parameters,
): string[] {
  const beams = String(beamSize ?? 1)
  return [
    ...['-f', recording.path, '-t', String(THREADS), '-l', 'en', '-bs', beams, '-bo', beams, '-nf'],
    ...(conditionOnPreviousText ? [] : ['-mc', '0']),
    ...(withoutTimestamps ? ['-nt'] : []),
  ]
}

async function runWhisperCpp(cli: string, args: readonly string[]): Promise<Sample> {
  await using folder = await temporaryFolder()
  const output = join(folder.path, 'transcript')
  const { stderr } = await promisify(execFile)(cli, [...args, '-oj', '-of', output], { maxBuffer: 2 ** 26 })
  const result = JSON.parse(await readFile(`${output}.json`, 'utf8')) as { transcription: { text: string }[] }
  await rm(`${output}.json`)
  const timing = (name: string): number => Number(new RegExp(`${name} time =\\s*([\\d.]+) ms`).exec(stderr)?.[1])
  const runs = (name: string): number => Number(new RegExp(`${name} time =.*/\\s*(\\d+) runs`).exec(stderr)?.[1])
  return {
    seconds: (timing('total') - timing('load')) / 1000,
    text: result.transcription.map(({ text }) => text).join(''),
    peakMb: null,
    details: {
      ...{ encodeMs: timing('encode') / runs('encode'), windows: runs('encode'), sampleMs: timing('sample') },
      ...{ decodeMs: timing('decode') + timing('batchd') + timing('prompt'), decodedTokens: runs('batchd') },
    },
  }
}

/** As the program says it of itself. */
export async function whisperCppVersion(cli: string): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(cli, ['--version']).catch(() => ({ stdout: '', stderr: '' }))
  return `whisper.cpp ${/version:?\s*(\S.*)/i.exec(stdout + stderr)?.[1] ?? 'of an unknown version'}`
}
