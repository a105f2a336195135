import type { TSchema } from 'typebox'
import type { Device } from '../contract/device.ts'
import type { EngineSettings } from '../contract/engine-protocol.ts'
import type { ModelFiles } from '../contract/model-files.ts'
import type { Precision } from '../contract/precision.ts'
import type {
  FinishedWindow,
  ModelParameters,
  RecognitionProgress,
  RecognitionTask,
} from '../contract/recognition-task.ts'
import type { Transcript } from '../contract/transcript.ts'
import type { AudioFeatures } from '../speech/audio/features.ts'
import type { ModelDescription } from './catalogue.ts'
import type { ParameterDescription } from './parameters/parameter-set.ts'

/**
 * A kind of models that one code runs. The API and the worker import it to know parameters, files and memory, so that neither it nor
 * what it imports loads a native library: `load` alone does, in an engine process.
 */
export interface Family {
  readonly name: string
  /** @param config a model's `config.json`, from anybody */
  matches(config: unknown): boolean
  readonly parameters: FamilyParameters
  /** What of a repository's files it reads. */
  files(names: ReadonlySet<string>): ModelFiles
  /**
   * What a model takes of a process's or a device's memory.
   * @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`
   */
  plan(modelFolder: string, memory: MemoryShare): Promise<MemoryPlan>
  /** The code of a language that is given by its code or its English name; undefined: it is no language that these models know. */
  languageCode(name: string): string | undefined
  /** The English name, in lower case, of a language that these models know by its code. */
  languageName(code: string): string | undefined
  /** @throws EngineError `checkpoint.missing_file`, `checkpoint.invalid`, `checkpoint.unsupported` */
  load(settings: EngineSettings): Promise<Recogniser>
}

export interface FamilyParameters {
  /** Of a request's `input`: each parameter may be left out. */
  readonly schema: TSchema
  /** With their types, ranges and defaults, for people and programs that list them. */
  readonly descriptions: readonly ParameterDescription[]
  /**
   * Validates a request's `input` and fills in the defaults.
   * @throws InputError naming the field, what it got and what it takes
   */
  parse(input: unknown, model: ModelDescription): ModelParameters
  /**
   * What `parse` gave and was stored, perhaps by a version that knew fewer parameters: they get their defaults.
   * @throws InputError
   */
  read(stored: unknown): ModelParameters
  /** Names of those that ask for something else than the defaults, in whichever form they are given. */
  changed(parameters: ModelParameters): readonly string[]
}

export interface MemoryShare {
  readonly device: Device
  readonly precision: Precision
  /** Tasks that run at the same time on the CPU; on a device that is as many as its memory has room for. */
  readonly batch: number
  /** What the model may take of a device's memory. */
  readonly memoryBytes: number
}

export interface MemoryPlan {
  readonly bytes: number
  /** Tasks that run at the same time. */
  readonly batch: number
}

/** A loaded model. */
export interface Recogniser extends AsyncDisposable {
  /** Seconds of audio that it is expected to transcribe in a second, as far as that can be told beforehand; null: not known. */
  readonly expectedSpeed: number | null
  /**
   * May be called again while it runs, as often as `batch` of the settings says.
   * @throws EngineError; InputError when the parameters are none of this family
   * @throws the signal's reason
   */
  recognise(task: RecognitionTask, control: RecognitionControl): Promise<Transcript>
}

/** What a recogniser works with, and tells. */
export interface RecognitionControl {
  readonly signal: AbortSignal
  /** Decodes the task's recording, with its limits, and tells that progress. Whoever takes the features disposes of them. */
  readonly openFeatures: (options: FeatureOptions) => Promise<AudioFeatures>
  /** Is waited for before each window; what it gives is disposed of behind it. */
  readonly enterWindow: () => Promise<Disposable>
  readonly onProgress: (progress: Omit<RecognitionProgress, 'phase'>) => void
  /** Is given each window as soon as it is finished. */
  readonly onWindow: (window: FinishedWindow) => void
}

export interface FeatureOptions {
  readonly melBands: number
  /** Among the file's audio tracks, from 0; null: the one that speaks. */
  readonly audioTrack: number | null
}
