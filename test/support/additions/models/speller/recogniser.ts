import { once } from 'node:events'
import Type from 'typebox'
import { Check } from 'typebox/value'
import type { RecognitionTask } from '../../contract/recognition-task.ts'
import type { ResumePoint } from '../../contract/resume-point.ts'
import type { Segment, Transcript } from '../../contract/transcript.ts'
import type { RecognitionControl, Recogniser } from '../family.ts'
import { numberWords } from './number-words.ts'
import { parameters } from './parameters.ts'

const SECONDS_PER = { seconds: 1, minutes: 60 } as const

const Said = Type.Object({ durationSeconds: Type.Number(), word: Type.String() })

/** Says a word a window: `thirty`, `six`, `seconds`. */
export class Speller implements Recogniser {
  readonly expectedSpeed = null

  async recognise(task: RecognitionTask, control: RecognitionControl): Promise<Transcript> {
    const { unit, stall_after: stallAfter } = parameters.read(task.parameters)
    await using features = await control.openFeatures({ melBands: 80, audioTrack: null })
    const { durationSeconds } = features
    const words = [...numberWords(Math.round(durationSeconds / SECONDS_PER[unit])), unit]
    const said = saidBefore(task.resumeFrom ?? [], durationSeconds).slice(0, words.length)
    const each = durationSeconds / words.length
    const segmentOf = (text: string, id: number): Segment => ({ id, start: each * id, end: each * (id + 1), text })
    const stallAt = said.length === 0 ? stallAfter : null
    for (let ordinal = said.length; ordinal < words.length; ordinal++) {
      control.signal.throwIfAborted()
      if (ordinal === stallAt) await once(control.signal, 'abort')
      using _ = await control.enterWindow()
      control.signal.throwIfAborted()
      const word = words[ordinal] ?? ''
      said.push(word)
      const seconds = each * said.length
      const resumePoint = { family: 'speller', version: 1, data: { durationSeconds, word } }
      const passage = { firstSegment: ordinal, segments: [segmentOf(word, ordinal)] }
      control.onWindow({ ordinal, seconds, resumePoint, passage })
      control.onProgress({ seconds, totalSeconds: durationSeconds })
    }
    return { text: said.join(' '), duration: durationSeconds, segments: said.map(segmentOf) }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What an earlier run has said of this recording. */
function saidBefore(points: readonly ResumePoint[], durationSeconds: number): string[] {
  return points.flatMap(({ family, version, data }) => {
    const isOurs =
      family === 'speller' && version === 1 && Check(Said, data) && data.durationSeconds === durationSeconds
    return isOurs ? [data.word] : []
  })
}
