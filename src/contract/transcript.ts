import Type from 'typebox'
import type { Static } from 'typebox'

export const QUALITY_FLAGS = ['repetition', 'low-confidence', 'maybe-silence'] as const
export type QualityFlag = (typeof QUALITY_FLAGS)[number]

const WordSchema = Type.Object({
  word: Type.String({ description: 'With the blank before it and the punctuation around it.' }),
  start: Type.Number({ description: 'Seconds from the beginning of the recording.' }),
  end: Type.Number({ description: 'Seconds from the beginning of the recording.' }),
  probability: Type.Number({ description: 'Mean probability of its tokens.' }),
})

const SegmentSchema = Type.Object({
  id: Type.Integer({ description: 'Position in the transcript, from 0.' }),
  seek: Type.Optional(Type.Integer({ description: 'Where its window begins, in frames of 10 ms.' })),
  start: Type.Number({ description: 'Seconds from the beginning of the recording.' }),
  end: Type.Number({ description: 'Seconds from the beginning of the recording.' }),
  text: Type.String(),
  tokens: Type.Optional(Type.Array(Type.Integer(), { description: 'Token ids, timestamps included.' })),
  temperature: Type.Optional(Type.Number({ description: 'Temperature that the window was decoded at.' })),
  avg_logprob: Type.Optional(Type.Number({ description: 'Mean log-probability of the tokens of the window.' })),
  compression_ratio: Type.Optional(
    Type.Number({ description: "Bytes of the window's text over its zlib-compressed bytes." }),
  ),
  no_speech_prob: Type.Optional(Type.Number({ description: 'Probability that the window holds no speech.' })),
  words: Type.Optional(Type.Array(WordSchema, { description: 'When word_timestamps is true.' })),
  quality: Type.Optional(
    Type.Array(Type.Enum(QUALITY_FLAGS), {
      description: 'Why not to trust the segment: numbers of its window that are beyond the usual thresholds.',
    }),
  ),
})

const WarningSchema = Type.Object({
  code: Type.String({
    description:
      'audio.damaged: something could not be read; audio.gap: by its clock it has a pause; audio.shorter_than_announced: the file breaks off; ' +
      'audio.track_chosen, audio.channel_chosen: what was transcribed, since the first one was silent.',
    examples: ['audio.gap'],
  }),
  message: Type.String(),
  start: Type.Optional(Type.Number({ description: 'Seconds from the beginning of the recording.' })),
  end: Type.Optional(Type.Number({ description: 'Seconds from the beginning of the recording.' })),
})

/** A transcript, with the names of Whisper's reference implementation; what a family of models has no such thing of is left out. */
export const TranscriptSchema = Type.Object({
  text: Type.String({ description: 'The whole transcript.' }),
  language: Type.Optional(Type.String({ description: 'Language code, given or detected.', examples: ['en'] })),
  duration: Type.Number({ description: 'Seconds of audio.' }),
  segments: Type.Array(SegmentSchema),
  warnings: Type.Optional(
    Type.Array(WarningSchema, { description: 'What is wrong with the recording; left out when nothing is.' }),
  ),
})

export type Transcript = Static<typeof TranscriptSchema>
