import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import process from 'node:process'
import { Option } from 'commander'
import type { Command } from 'commander'
import { loadConfig } from '../config.ts'
import type { Config } from '../config.ts'
import { hasCode } from '../contract/coded-error.ts'
import { createCatalogue } from '../models/catalogue.ts'
import { ModelCache } from '../hub/model-cache.ts'
import { parseWhisperInput, whisperParameters } from '../models/whisper/parameters.ts'
import { TRANSCRIPT_FORMATS, formatTranscript } from '../transcript/formats.ts'
import type { TranscriptFormat } from '../transcript/formats.ts'
import type { Transcript } from '../contract/transcript.ts'
import { EngineProcess } from '../worker/engine-process.ts'
import type { EngineTask } from '../contract/engine-protocol.ts'
import { findDevice } from '../worker/find-device.ts'
import { transcribeOptions } from '../models/whisper/transcribe-options.ts'
import type { CommandContext } from './context.ts'
import { findInputs, openInput } from './inputs.ts'
import type { Input } from './inputs.ts'
import { addSettings, givenFlags } from './options.ts'
import { outputNames } from './output-names.ts'
import { addParameters, givenParameters } from './parameter-flags.ts'
import { downloadBar, showProgress } from './progress-bar.ts'

const DEMO_MODEL = 'sotto/whisper-demo'
const EXTENSIONS: Readonly<Record<TranscriptFormat, string>> = { json: '.json', text: '.txt' }

interface TranscribeFlags extends Readonly<Record<string, unknown>> {
  readonly model?: string
  readonly outputFormat: TranscriptFormat
  readonly outputDir?: string
}

export function addTranscribeCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('transcribe')
    .description('Transcribe files, without a server.')
    .argument('<file...>', 'audio or video, in any format that FFmpeg reads; a folder of such, a pipe, or - for stdin')
    .option(
      '--model <model>',
      `as sotto models list shows it (default: ${DEMO_MODEL}, which knows a few hundred words)`,
    )
    .addOption(new Option('--output-format <format>', 'what is written').choices(TRANSCRIPT_FORMATS).default('text'))
    .option('--output-dir <folder>', 'write a file for each recording into this folder instead of printing')
  addSettings(command, ['models', 'threads', 'precision', 'device', 'deviceMemoryBytes', 'cacheDir', 'maxUploadBytes'])
  addParameters(command, whisperParameters.descriptions)
  command.action(async (files: readonly string[], flags: TranscribeFlags) => {
    await transcribeFiles(files, flags, loadConfig(context.environment, givenFlags(flags)), context)
  })
}

async function transcribeFiles(
  names: readonly string[],
  flags: TranscribeFlags,
  config: Config,
  { signal, exitWith }: CommandContext,
): Promise<void> {
  const catalogue = createCatalogue(config.models)
  const cache = new ModelCache({ ...config.hub, catalogue })
  const id = flags.model ?? DEMO_MODEL
  if (flags.model === undefined) {
    console.error(`Using ${DEMO_MODEL}, which knows a few hundred words; for real speech: --model openai/whisper-small`)
  }
  const model = cache.find(id)
  const parameters = givenParameters(flags, whisperParameters.descriptions)
  const options = transcribeOptions(parseWhisperInput(parameters, model))
  using bar = downloadBar(id)
  const { folder: modelFolder } = await cache.open(id, { signal, onProgress: bar.update })
  bar[Symbol.dispose]()
  const inputs = await knownInputs(names, exitWith)
  const outputs = outputNames(
    inputs.map(({ outputName }) => outputName),
    EXTENSIONS[flags.outputFormat],
  )
  if (flags.outputDir !== undefined) await mkdir(flags.outputDir, { recursive: true })

  await using stack = new AsyncDisposableStack()
  const temporaryFolder = await mkdtemp(join(tmpdir(), 'sotto-'))
  stack.defer(() => rm(temporaryFolder, { recursive: true, force: true }))
  const { threads, precision, deviceMemoryBytes, cacheDir: cacheFolder } = config
  const device = await findDevice(config.device, signal)
  const engine = stack.use(
    new EngineProcess({
      ...{ modelFolder, threads, device, deviceMemoryBytes, precision },
      ...{ batch: 1, temporaryFolder, cacheFolder },
    }),
  )
  let transcripts = 0
  for (const [index, input] of inputs.entries()) {
    try {
      const limits = { temporaryFolder, maxBytes: config.maxUploadBytes, signal }
      const transcript = await transcribeInput(input, { options, maxAudioSeconds: null }, engine, limits)
      await write(
        transcript,
        { input, output: outputs[index] ?? input.outputName, isOneOfMany: inputs.length > 1 },
        flags,
      )
      transcripts += 1
    } catch (error) {
      signal.throwIfAborted()
      if (input.isFound && isNoRecording(error)) {
        console.error(`sotto: ${input.name}: skipped, since it is no recording`)
        continue
      }
      console.error(`sotto: ${input.name}: ${error instanceof Error ? error.message : String(error)}`)
      exitWith(1)
    }
  }
  if (transcripts === 0) exitWith(1)
}

/** What the arguments stand for; those that stand for nothing are reported, and do not keep the others. */
async function knownInputs(names: readonly string[], exitWith: CommandContext['exitWith']): Promise<readonly Input[]> {
  const found = await findInputs(names)
  return found.flatMap((each) => {
    if (!('error' in each)) return [each]
    console.error(`sotto: ${each.name}: ${each.error.message}`)
    exitWith(1)
    return []
  })
}

/** Among the files of a folder there may be others, such as pictures and texts. */
function isNoRecording(error: unknown): boolean {
  return hasCode(error, 'audio.not_media') || hasCode(error, 'audio.no_audio_stream')
}

async function transcribeInput(
  input: Input,
  task: Omit<EngineTask, 'audioPath'>,
  engine: EngineProcess,
  limits: Parameters<typeof openInput>[1],
): Promise<Transcript> {
  await using recording = await openInput(input, limits)
  using bar = showProgress(process.stderr, basename(input.name), 's')
  const { signal } = limits
  return await engine.transcribe(
    { ...task, audioPath: recording.path },
    {
      signal,
      onProgress: ({ phase, seconds, totalSeconds }) => {
        if (phase === 'transcribing' && totalSeconds !== null) bar.update(seconds, totalSeconds)
      },
    },
  )
}

async function write(
  transcript: Transcript,
  { input, output, isOneOfMany }: { readonly input: Input; readonly output: string; readonly isOneOfMany: boolean },
  { outputFormat, outputDir }: TranscribeFlags,
): Promise<void> {
  const content = formatTranscript(transcript, outputFormat)
  if (outputDir !== undefined) {
    const path = join(outputDir, output)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    console.error(isOneOfMany ? `${input.name} → ${path}` : path)
  } else if (!isOneOfMany) {
    process.stdout.write(content)
  } else if (outputFormat === 'json') {
    // One line each, for programs that read them as they come.
    console.log(JSON.stringify({ file: input.name, ...transcript }))
  } else {
    process.stdout.write(`==> ${input.name} <==\n${content}\n`)
  }
}
