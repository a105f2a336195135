import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import { ENGINE_SETTINGS } from '../config/engine.ts'
import { HUB_SETTINGS } from '../config/hub.ts'
import { PAYLOADS_SETTINGS } from '../config/payloads.ts'
import { hasCode } from '../contract/coded-error.ts'
import { ModelCache } from '../hub/model-cache.ts'
import type { ModelParameters, RecognitionTask } from '../contract/recognition-task.ts'
import { DEFAULT_MODEL, SUGGESTED_MODEL, createCatalogue } from '../models/catalogue.ts'
import type { Family } from '../models/family.ts'
import type { ParameterDescription } from '../models/parameters/parameter-set.ts'
import { familyIn, loadFamily, modelFiles } from '../models/index.ts'
import type { Transcript } from '../contract/transcript.ts'
import { EngineProcess } from '../worker/engines/engine-process.ts'
import { findDevice } from '../worker/engines/find-device.ts'
import type { CommandContext } from './context.ts'
import { findInputs, openInput } from './inputs.ts'
import type { Input } from './inputs.ts'
import { addSettings, givenFlags } from './options.ts'
import { Output } from './output.ts'
import { addOutputOptions, subtitleOptions } from './output-formats.ts'
import type { OutputFlags } from './output-formats.ts'
import { addParameters, givenParameters } from './parameter-flags.ts'
import { downloadBar, showProgress } from './progress-bar.ts'

interface TranscribeFlags extends OutputFlags, Readonly<Record<string, unknown>> {
  readonly model?: string
}

export function addTranscribeCommand(program: Command, context: CommandContext, families: readonly Family[]): void {
  const command = program
    .command('transcribe')
    .description('Transcribe files, without a server.')
    .argument('<file...>', 'audio or video, in any format that FFmpeg reads; a folder of such, a pipe, or - for stdin')
    .option(
      '--model <model>',
      `as sotto models list shows it (default: ${DEFAULT_MODEL}, which knows a few hundred words)`,
    )
  addOutputOptions(command)
  const { threads, precision, device, deviceMemoryBytes, cacheDir } = ENGINE_SETTINGS
  addSettings(command, [
    ...[HUB_SETTINGS.models, threads, precision, device, deviceMemoryBytes, cacheDir],
    PAYLOADS_SETTINGS.maxUploadBytes,
  ])
  addParameters(command, parametersOf(families))
  command.action(async (files: readonly string[], flags: TranscribeFlags) => {
    try {
      await transcribeFiles(files, flags, loadConfig(context.environment, givenFlags(flags)), { ...context, families })
    } catch (error) {
      if (error instanceof InvalidArgumentError) command.error(`error: ${error.message}`)
      throw error
    }
  })
}

async function transcribeFiles(
  names: readonly string[],
  flags: TranscribeFlags,
  { hub, engine: settings, payloads: { maxUploadBytes: maxBytes } }: Config,
  { signal, exitWith, families }: CommandContext & { readonly families: readonly Family[] },
): Promise<void> {
  const catalogue = createCatalogue(hub.models)
  const cache = new ModelCache({ ...hub, catalogue, files: modelFiles })
  const id = flags.model ?? DEFAULT_MODEL
  if (flags.model === undefined) {
    console.error(`Using ${id}, which knows a few hundred words; for real speech: --model ${SUGGESTED_MODEL.id}`)
  }
  const model = catalogue.require(id)
  const parse = (family: Family): ModelParameters => {
    const parsed = family.parameters.parse(givenParameters(flags, parametersOf([family, ...families])), model)
    subtitleOptions(flags, parsed)
    return parsed
  }
  // What can't be meant is refused before gigabytes are fetched.
  if (model.family !== null) parse(await loadFamily(model.family))
  using bar = downloadBar(id)
  const { folder: modelFolder } = await cache.open(id, { signal, onProgress: bar.update })
  bar[Symbol.dispose]()
  const parameters = parse(await familyIn(modelFolder))
  const inputs = await knownInputs(names, exitWith)
  const { options: subtitles, warnings } = subtitleOptions(flags, parameters)
  for (const warning of warnings) console.error(`sotto: ${warning}`)
  const output = new Output(inputs, { formats: flags.outputFormat, subtitles, folder: flags.outputDir })
  if (flags.outputDir !== undefined) await mkdir(flags.outputDir, { recursive: true })

  await using stack = new AsyncDisposableStack()
  const temporaryFolder = await mkdtemp(join(tmpdir(), 'sotto-'))
  stack.defer(() => rm(temporaryFolder, { recursive: true, force: true }))
  const { threads, precision, deviceMemoryBytes, cacheDir: cacheFolder } = settings
  const device = await findDevice(settings.device, signal)
  const engine = stack.use(
    new EngineProcess({
      ...{ modelFolder, threads, device, deviceMemoryBytes, precision },
      ...{ batch: 1, temporaryFolder, cacheFolder },
    }),
  )
  let transcripts = 0
  for (const [index, input] of inputs.entries()) {
    try {
      const limits = { temporaryFolder, maxBytes, signal }
      const transcript = await transcribeInput(input, { parameters, maxAudioSeconds: null }, engine, limits)
      await output.write(transcript, index)
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
  task: Omit<RecognitionTask, 'audioPath'>,
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

/** Those of all; what several have is as the first one has it. */
function parametersOf(families: readonly Family[]): readonly ParameterDescription[] {
  const all = families.flatMap(({ parameters }) => parameters.descriptions)
  return [...new Map(all.toReversed().map((each) => [each.name, each])).values()].toReversed()
}
