import Type from 'typebox'
import type { Static } from 'typebox'

export const QUALITY_FLAGS = ['repetition', 'low-confidence', 'maybe-silence'] as const
export type QualityFlag = (typeof QUALITY_FLAGS)[number]

/** What may be wrong with a recording that is transcribed nevertheless, in Markdown. */
export const WARNING_CODES = {
  'audio.damaged': 'something between `start` and `end` could not be read or decoded',
  'audio.gap':
    "by the recording's own clock there is a pause between `start` and `end` that it has no sound for (a recorder that was paused, a " +
    'network that was lost, an encoder that leaves pauses out); it counts as silence',
  'audio.shorter_than_announced': 'the file breaks off at `start`: its header announces more bytes than there are',
  'audio.track_chosen': "which audio track was transcribed, since the default one is silent or can't be decoded",
  'audio.channel_chosen': 'which channel was transcribed, since the channels cancel each other when they are mixed',
} as const
export type WarningCode = keyof typeof WARNING_CODES

const seconds = () => Type.Number({ description: 'Seconds from the beginning of the recording.' })
const speaker = () => Type.Optional(Type.String({ description: 'Who says it, where the model tells speakers apart.' }))

const WordSchema = Type.Object({
  word: Type.String({ description: 'With the blank before it and the punctuation around it.' }),
  start: seconds(),
  end: seconds(),
  probability: Type.Number({ description: 'Mean probability of its tokens.' }),
  speaker: speaker(),
})

/** A family leaves out what it has no such thing of. */
const SegmentSchema = Type.Object(
  {
    id: Type.Integer({ description: 'Position in the transcript, from 0.' }),
    seek: Type.Optional(Type.Integer({ description: 'Where its window begins, in frames of 10 ms.' })),
    start: seconds(),
    end: seconds(),
    text: Type.String(),
    tokens: Type.Optional(Type.Array(Type.Integer(), { description: 'Token ids, timestamps included.' })),
    temperature: Type.Optional(Type.Number({ description: 'Temperature that the window was decoded at.' })),
    avg_logprob: Type.Optional(
      Type.Number({ description: 'Sum of the log-probabilities / (tokens + 1), of the whole window.' }),
    ),
    compression_ratio: Type.Optional(
      Type.Number({ description: "UTF-8 bytes of the window's text over its zlib-compressed bytes." }),
    ),
    no_speech_prob: Type.Optional(Type.Number({ description: 'Probability that the window holds no speech.' })),
    words: Type.Optional(Type.Array(WordSchema, { description: 'When word_timestamps is true.' })),
    speaker: speaker(),
    quality: Type.Optional(
      Type.Array(Type.Enum(QUALITY_FLAGS), {
        description:
          'Why not to trust the segment: numbers of its window that are beyond the usual thresholds. Empty: no reason is known.',
      }),
    ),
  },
  {
    description:
      'seek, tokens, temperature, avg_logprob, compression_ratio, no_speech_prob and quality are always there for models that the ' +
      'reference implementation runs; others leave out what they have no such thing of.',
  },
)

const WarningSchema = Type.Object({
  code: Type.String({
    description: Object.entries(WARNING_CODES)
      .map(([code, meaning]) => `${code}: ${meaning}.`)
      .join(' '),
    examples: ['audio.gap'],
  }),
  message: Type.String(),
  start: Type.Optional(seconds()),
  end: Type.Optional(seconds()),
})

/** A transcript of any family, with the names of Whisper's reference implementation (`whisper.transcribe()`). */
export const TranscriptSchema = Type.Object({
  text: Type.String({ description: 'The whole transcript.' }),
  language: Type.Optional(Type.String({ description: 'Language code, given or detected.', examples: ['en'] })),
  duration: Type.Number({ description: 'Seconds of audio.' }),
  segments: Type.Array(SegmentSchema),
  warnings: Type.Optional(
    Type.Array(WarningSchema, { description: 'What is wrong with the recording; left out when nothing is.' }),
  ),
})

/**
 * Consecutive segments of a transcript, as they are told while it is being made: without `tokens`, which are a third of their size and
 * nobody reads. What is told with a lower place than what was told before replaces that, from there on.
 */
export const PassageSchema = Type.Object({
  firstSegment: Type.Integer({
    minimum: 0,
    description: 'Position of its first segment in the transcript: so many come before.',
  }),
  segments: Type.Array(Type.Omit(SegmentSchema, ['tokens'])),
})

export type Transcript = Readonly<Static<typeof TranscriptSchema>>
export type Passage = Readonly<Static<typeof PassageSchema>>
export type ToldSegment = Passage['segments'][number]
export type Segment = Readonly<Static<typeof SegmentSchema>>
export type Word = Readonly<Static<typeof WordSchema>>

/** As it is written; what is stored may have the codes of other versions. */
export interface AudioWarning extends Readonly<Static<typeof WarningSchema>> {
  readonly code: WarningCode
}

/** A part of a transcript as it is told before the whole is there. */
export function passageOf(segments: readonly Segment[], firstSegment: number): Passage {
  return { firstSegment, segments: segments.map(withoutTokens) }
}

function withoutTokens(segment: Segment): ToldSegment {
  const { tokens: _, ...told } = segment
  return told
}
