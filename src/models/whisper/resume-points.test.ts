import { expect, test } from 'vitest'
import { finishedWindow, recordsOf } from './resume-points.ts'
import { recordOf } from './window-record.ts'

const records = [0, 1, 2].map((ordinal) =>
  recordOf(
    { clip: 0, seek: 3000 * ordinal, next: 3000 * (ordinal + 1), segments: [], resetsPrompt: false, lastSpeech: 0 },
    { fingerprint: 'f', ordinal, language: 'en', seconds: 30 * (ordinal + 1) },
  ),
)
const [first, second, third] = records.map((record) => finishedWindow(record).resumePoint)

test('say to others how far they are, and to their family all', () => {
  expect(records.map(finishedWindow)).toMatchObject(
    [0, 1, 2].map((ordinal) => ({ ordinal, seconds: 30 * (ordinal + 1) })),
  )
  expect(recordsOf([first!, second!, third!])).toEqual(records)
})

test.each([
  ['of another family', { ...second!, family: 'another' }],
  ['of another version', { ...second!, version: 2 }],
  ['that are damaged', { ...second!, data: { ordinal: 1 } }],
])('those %s end what is gone on from', (_, strange) => {
  expect(recordsOf([first!, strange, third!])).toEqual(records.slice(0, 1))
})
