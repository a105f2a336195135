import process from 'node:process'
import { compare } from './comparison.ts'
import type { ComparisonRow, Contest } from './comparison.ts'
import { modelFolder, ggmlModel, onnxExport, speech, spokenText } from './inputs.ts'
import type { ModelName } from './inputs.ts'
import type { Side } from './measurements.ts'
import { OPENAI_WHISPER, openaiWhisperSide, openaiWhisperVersion } from './openai-whisper.ts'
import { runSotto } from './sotto.ts'
import type { Parameters, Recording } from './sotto.ts'
import { TRANSFORMERS_JS, transformersJsSides, transformersJsVersion } from './transformers-js.ts'
import { WHISPER_CPP, whisperCppSides, whisperCppVersion } from './whisper-cpp.ts'

/** Whole windows, so that each has its fixed number of steps. */
const FIXED_STEPS_SECONDS = 120
const SPEECH_SECONDS = 297

const BEAMS: Parameters = { beamSize: 5, conditionOnPreviousText: true, withoutTimestamps: false }
/** The text so far would shift the positions, and with them the text of the models with fixed steps. */
const FIXED_BEAMS: Parameters = { ...BEAMS, conditionOnPreviousText: false }

/** Its published pipelines decode greedily, and without timestamps unless they are asked for. */
const FIXED_GREEDY: Parameters = { beamSize: null, conditionOnPreviousText: false, withoutTimestamps: true }

interface Given {
  readonly model: ModelName
  readonly folder: string
  readonly recording: Recording
  readonly parameters: Parameters
}

interface Peer {
  readonly variable: string
  readonly version: (path: string) => Promise<string>
  readonly sides: (path: string, given: Given) => Promise<readonly Side[]>
}

const WHISPER_CPP_PEER: Peer = {
  variable: WHISPER_CPP,
  version: whisperCppVersion,
  sides: async (cli, { model, recording, parameters }) =>
    whisperCppSides(cli, await ggmlModel(model), recording, parameters),
}

const OPENAI_WHISPER_PEER: Peer = {
  variable: OPENAI_WHISPER,
  version: openaiWhisperVersion,
  sides: async (python, { folder, recording, parameters }) => [
    openaiWhisperSide(python, folder, recording, parameters),
  ],
}

const TRANSFORMERS_JS_PEER: Peer = {
  variable: TRANSFORMERS_JS,
  version: transformersJsVersion,
  sides: async (library, { model, recording }) => transformersJsSides(library, await onnxExport(model), recording),
}

export const CONTESTS: Readonly<Record<string, (repeats: number) => Promise<ComparisonRow>>> = {
  'whisper-cpp:demo': (repeats) => contest('whisper.cpp', WHISPER_CPP_PEER, 'demo', BEAMS, 3, repeats),
  'whisper-cpp:tiny': (repeats) => contest('whisper.cpp', WHISPER_CPP_PEER, 'tiny', FIXED_BEAMS, 3, repeats),
  'whisper-cpp:small': (repeats) => contest('whisper.cpp', WHISPER_CPP_PEER, 'small', FIXED_BEAMS, 3, repeats),
  'transformers-js:tiny': (repeats) =>
    contest('Transformers.js', TRANSFORMERS_JS_PEER, 'tiny', FIXED_GREEDY, 2.5, repeats),
  'openai-whisper:demo': (repeats) => contest('openai/whisper', OPENAI_WHISPER_PEER, 'demo', BEAMS, 4, repeats),
  'openai-whisper:tiny': (repeats) => contest('openai/whisper', OPENAI_WHISPER_PEER, 'tiny', FIXED_BEAMS, 4, repeats),
}

async function contest(
  against: string,
  peer: Peer,
  model: ModelName,
  parameters: Parameters,
  goal: number,
  repeats: number,
): Promise<ComparisonRow> {
  const isDemo = model === 'demo'
  const recording = await speech(isDemo ? undefined : { fromSeconds: 0, seconds: FIXED_STEPS_SECONDS })
  const folder = await modelFolder(model)
  const facts: Contest = {
    against,
    on: `${isDemo ? 'demo weights' : `${model}, fixed steps`}, ${parameters.beamSize === null ? 'greedy' : `${parameters.beamSize} beams`}`,
    audioSeconds: isDemo ? SPEECH_SECONDS : FIXED_STEPS_SECONDS,
    goal,
    ...(isDemo ? { spoken: await spokenText() } : {}),
  }
  const ours: Side = { name: 'Sotto', run: () => runSotto(folder, recording, parameters) }
  const path = process.env[peer.variable]
  if (path === undefined || path === '') return await compare(facts, ours, null, repeats)
  const variants = await peer.sides(path, { model, folder, recording, parameters })
  return await compare(facts, ours, { version: await peer.version(path), variants }, repeats)
}
