import type { Transcript } from '../contract/transcript.ts'

export const TRANSCRIPT_FORMATS = ['json', 'text'] as const
export type TranscriptFormat = (typeof TRANSCRIPT_FORMATS)[number]

/** A transcript as the content of a file, ending in a newline. */
export function formatTranscript(transcript: Transcript, format: TranscriptFormat): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(transcript, null, 2)}\n`
    case 'text':
      return `${transcript.segments
        .map((segment) => segment.text.trim())
        .filter((line) => line !== '')
        .join('\n')}\n`
  }
}
