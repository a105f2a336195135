import type { Segment, Transcript } from '../../../contract/transcript.ts'

type OwnField = 'seek' | 'tokens' | 'temperature' | 'avg_logprob' | 'compression_ratio' | 'no_speech_prob' | 'quality'

/** A segment with all that Whisper says of it. */
export type WhisperSegment = Segment & Readonly<Required<Pick<Segment, OwnField>>>

export interface WhisperTranscript extends Transcript {
  readonly language: string
  readonly segments: WhisperSegment[]
}
