import { describe, expect, test } from 'vitest'
import type { JobEvent } from '../../contract/job-event.ts'
import { Progress, segmentsData, statusData } from './event-data.ts'

const JOB = '01a2194a-fbd9-7000-9098-0896b5a1912f'
const AT = '2026-11-26T19:17:54.468Z'
const LATER = '2026-11-26T19:18:00.000Z'
const base = { sequence: 1, jobId: JOB, at: AT } as const
const ACCEPTED: JobEvent = {
  ...base,
  kind: 'accepted',
  data: { model: 'a/b', serviceTier: 'cpuflex', audioSeconds: 90 },
}
const CLAIMED: JobEvent = { ...base, kind: 'claimed', data: { attempt: 2, servedTier: 'gpuflex', worker: 'w' } }
const WINDOW: JobEvent = { ...base, kind: 'window', data: { windows: 1, doneSeconds: 30, audioSeconds: 91 } }
const WEIGHTS: JobEvent = { ...base, kind: 'weights', data: { receivedBytes: 1, totalBytes: 2 } }

describe('what a stream says of a transition', () => {
  test.each<[JobEvent, object | null]>([
    [ACCEPTED, { status: 'pending', model: 'a/b', serviceTier: 'cpuflex', audioSeconds: 90 }],
    [CLAIMED, { status: 'processing', attempt: 2, servedTier: 'gpuflex' }],
    [{ ...base, kind: 'released', data: {} }, { status: 'pending' }],
    [
      { ...base, kind: 'released', data: { notBefore: LATER } },
      { status: 'pending', notBefore: LATER },
    ],
    [
      { ...base, kind: 'retried', data: { code: 'engine.crashed', notBefore: LATER } },
      { status: 'pending', waitingFor: { code: 'engine.crashed' }, notBefore: LATER },
    ],
    [
      { ...base, kind: 'deferred', data: { code: 'engine.disk_full' } },
      { status: 'pending', waitingFor: { code: 'engine.disk_full' } },
    ],
    [
      { ...base, kind: 'cancel_requested', data: {} },
      { status: 'processing', cancelRequested: true },
    ],
    [{ ...base, kind: 'finished', data: { status: 'success' } }, { status: 'success' }],
    [
      { ...base, kind: 'finished', data: { status: 'failed', code: 'audio.empty' } },
      { status: 'failed', error: { code: 'audio.empty' } },
    ],
    [WINDOW, null],
    [WEIGHTS, null],
  ])('%j', (event, told) => {
    expect(statusData(event, null)).toEqual(told && { id: JOB, at: AT, ...told })
  })

  test('that failed is why, in words, where that is known', () => {
    const error = { code: 'audio.empty', message: 'It has no sound.' }
    const failed: JobEvent = { ...base, kind: 'finished', data: { status: 'failed', code: 'audio.empty' } }
    expect(statusData(failed, error)).toMatchObject({ error })
  })
})

test('how far a job is, is what its events have told so far', () => {
  const progress = new Progress(JOB)
  const told = [ACCEPTED, CLAIMED, WEIGHTS, WINDOW, { ...base, kind: 'released', data: {} } as JobEvent].map(
    (event) => [progress.add(event), progress.data()],
  )
  const weights = { receivedBytes: 1, totalBytes: 2 }
  expect(told).toEqual([
    [false, { id: JOB, status: 'pending', doneSeconds: 0, audioSeconds: 90 }],
    [false, { id: JOB, status: 'processing', doneSeconds: 0, audioSeconds: 90 }],
    [true, { id: JOB, status: 'processing', doneSeconds: 0, audioSeconds: 90, weights }],
    [true, { id: JOB, status: 'processing', doneSeconds: 30, audioSeconds: 91 }],
    [false, { id: JOB, status: 'pending', doneSeconds: 30, audioSeconds: 91 }],
  ])
  const queue = { position: 1, etaSeconds: null }
  expect(progress.data(queue)).toMatchObject({ queue })
})

test('text is that of the segments, as they follow each other', () => {
  const segments = [' one', ' two'].map((text, n) => ({ id: 3 + n, start: n, end: n + 1, text }))
  expect(segmentsData(JOB, { firstSegment: 3, segments })).toEqual({
    id: JOB,
    firstSegment: 3,
    text: ' one two',
    segments,
  })
})
