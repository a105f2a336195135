import type { FinishedWindow } from '../../../contract/recognition-task.ts'
import type { ResumePoint } from '../../../contract/resume-point.ts'
import type { Passage } from '../../../contract/transcript.ts'
import { MODEL_TYPE } from '../weights/whisper-weights.ts'
import { RECORD_VERSION, isWindowRecord } from './window-record.ts'
import type { WindowRecord } from './window-record.ts'

export function finishedWindow(record: WindowRecord, passage: Passage): FinishedWindow {
  const { ordinal, seconds } = record
  return { ordinal, seconds, passage, resumePoint: { family: MODEL_TYPE, version: RECORD_VERSION, data: record } }
}

/** The records in front that this version can read. */
export function recordsOf(points: readonly ResumePoint[]): readonly WindowRecord[] {
  const records: WindowRecord[] = []
  for (const point of points) {
    if (point.family !== MODEL_TYPE || point.version !== RECORD_VERSION || !isWindowRecord(point.data)) break
    records.push(point.data)
  }
  return records
}
