import { Compile } from 'typebox/compile'
import { TranscriptSchema } from '../../contract/transcript.ts'
import type { Transcript } from '../../contract/transcript.ts'
import { represent } from './representation.ts'
import type { Representation } from './representation.ts'

/** What is done with a stored transcript. */
export interface TranscriptTask {
  /** As it is stored. */
  readonly json: string
  /** Null: it is only checked that it is a transcript. */
  readonly representation: Representation | null
}

const schema = Compile(TranscriptSchema)

/** @throws Error for what is no transcript; ApiError 400 for what this one can't be made into */
export function perform({ json, representation }: TranscriptTask): string {
  const transcript = transcriptOf(JSON.parse(json))
  return representation === null ? '' : represent(transcript, representation)
}

export function transcriptOf(stored: unknown): Transcript {
  if (!schema.Check(stored)) throw new Error('the stored result is no transcript')
  return stored
}
