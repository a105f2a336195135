import type { EngineSettings } from '../../contract/engine-protocol.ts'
import type { RecognitionTask } from '../../contract/recognition-task.ts'
import type { Transcript } from '../../contract/transcript.ts'
import type { RecognitionControl, Recogniser } from '../family.ts'
import { WhisperModel } from './model.ts'
import { readWhisperInput } from './parameters/whisper-parameters.ts'
import { finishedWindow, recordsOf } from './resume/resume-points.ts'
import { transcribe } from './transcription/transcribe.ts'
import { transcribeOptions } from './parameters/transcribe-options.ts'

/** A loaded Whisper model in the words that all families have in common. */
export class WhisperRecogniser implements Recogniser {
  readonly expectedSpeed: number | null
  readonly #model: WhisperModel

  private constructor(model: WhisperModel, expectedSpeed: number | null) {
    this.#model = model
    this.expectedSpeed = expectedSpeed
  }

  static async load({ modelFolder, batch, ...options }: EngineSettings): Promise<WhisperRecogniser> {
    const model = await WhisperModel.load(modelFolder, { ...options, slots: batch })
    // Tried out before the first task takes the processor. What goes wrong here either does so again in the task, which then says why, or
    // kept no more than a forecast from being made.
    const expectedSpeed = await model.expectedSpeed().catch(() => null)
    return new WhisperRecogniser(model, expectedSpeed)
  }

  async recognise(task: RecognitionTask, control: RecognitionControl): Promise<Transcript> {
    const options = transcribeOptions(readWhisperInput(task.parameters))
    const { signal, enterWindow, onProgress, openFeatures } = control
    const { audioTrack } = options
    await using features = await openFeatures({ melBands: this.#model.melBands, audioTrack })
    return await transcribe(this.#model, features, options, {
      ...{ signal, enterWindow, onProgress },
      onWindow: (record, passage, tookMs) => control.onWindow({ ...finishedWindow(record, passage), tookMs }),
      resumeFrom: recordsOf(task.resumeFrom ?? []),
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model[Symbol.asyncDispose]()
  }
}
