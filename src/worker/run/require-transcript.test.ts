import { expect, test } from 'vitest'
import { requireTranscript } from './require-transcript.ts'

const segment = {
  ...{ id: 0, seek: 0, start: 0, end: 2, text: ' Hello.', tokens: [50_364, 15], temperature: 0 },
  ...{ avg_logprob: -0.2, compression_ratio: 1, no_speech_prob: 0.01, quality: [] },
}
const transcript = { text: ' Hello.', language: 'en', duration: 2, segments: [segment] }

test('a transcript can be stored', () => {
  expect(requireTranscript(transcript)).toBe(transcript)
})

test.each([
  ['avg_logprob', Number.NaN],
  ['no_speech_prob', Number.NEGATIVE_INFINITY],
  ['end', Number.POSITIVE_INFINITY],
  ['seek', Number.NaN],
])('one whose %s is %d fails the job at once, and says where', (name, value) => {
  const broken = { ...transcript, segments: [segment, { ...segment, [name]: value }] }
  expect(() => requireTranscript(broken)).toThrow(
    expect.objectContaining({
      code: 'engine.bad_result',
      retryable: false,
      message: expect.stringContaining(`/segments/1/${name}`),
    }),
  )
})
