import { expect, test } from 'vitest'
import { finishedWindow, recordsOf } from './resume-points.ts'
import { recordOf, windowOf } from './window-record.ts'

const records = [0, 1, 2].map((ordinal) =>
  recordOf(
    { clip: 0, seek: 3000 * ordinal, next: 3000 * (ordinal + 1), segments: [], resetsPrompt: false, lastSpeech: 0 },
    { fingerprint: 'f', ordinal, language: 'en', seconds: 30 * (ordinal + 1) },
  ),
)
const finished = records.map((record) => finishedWindow(record, { firstSegment: 0, segments: [] }))
const [first, second, third] = finished.map(({ resumePoint }) => resumePoint)

test('say to others how far they are, and to their family all', () => {
  expect(finished).toMatchObject([0, 1, 2].map((ordinal) => ({ ordinal, seconds: 30 * (ordinal + 1) })))
  expect(recordsOf([first!, second!, third!])).toEqual(records)
})

test.each([
  ['of another family', { ...second!, family: 'another' }],
  ['of another version', { ...second!, version: 2 }],
  ['that are damaged', { ...second!, data: { ordinal: 1 } }],
])('those %s end what is gone on from', (_, strange) => {
  expect(recordsOf([first!, strange, third!])).toEqual(records.slice(0, 1))
})

test('what the version before families kept is read as it was', () => {
  const data: unknown = JSON.parse(
    '{"fingerprint":"9f86d081884c7d659a2feaa0c55ad015","ordinal":0,"language":"en","seconds":3.04,"window":{"clip":0,"seek":0,' +
      '"next":304,"resetsPrompt":false,"segments":[{"seek":0,"start":0,"end":2.5,"text":" Hello.","tokens":[50364,2425,50489],' +
      '"temperature":0,"avg_logprob":-0.25,"compression_ratio":0.5,"no_speech_prob":"-0","quality":[]}],"lastSpeech":"-Infinity"}}',
  )
  const [record] = recordsOf([{ family: 'whisper', version: 1, data }])
  expect(record).toMatchObject({ fingerprint: '9f86d081884c7d659a2feaa0c55ad015', ordinal: 0 })
  expect(record && windowOf(record)).toMatchObject({
    next: 304,
    lastSpeech: -Infinity,
    segments: [{ text: ' Hello.', no_speech_prob: -0 }],
  })
})
