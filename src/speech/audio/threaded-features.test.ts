import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { fixture } from '../../../test/support/clips.ts'
import { openFeatures } from './features.ts'
import type { OpenFeaturesOptions } from './features.ts'
import { ThreadedFeatures } from './threaded-features.ts'

const OPTIONS: OpenFeaturesOptions = { melBands: 80, temporaryFolder: tmpdir(), maxSeconds: null }
const threaded = new ThreadedFeatures()
afterAll(() => threaded[Symbol.asyncDispose]())

describe('in a thread of its own', () => {
  test('gives what it gives in this one, for more recordings than are read at the same time', async () => {
    const clips = ['en-short.wav', 'es-short.ogg', 'de-short.webm', 'en-two-voices.mp3', 'en-questions.flac'].map(
      fixture,
    )
    const opened = await Promise.all(clips.map((clip) => threaded.open(clip, OPTIONS)))
    for (const [index, clip] of clips.entries()) {
      await using here = await openFeatures(clip, OPTIONS)
      await using there = opened[index]!
      expect(there.contentFrames).toBe(here.contentFrames)
      expect(there.durationSeconds).toBe(here.durationSeconds)
      expect(await there.window(0, 500)).toEqual(await here.window(0, 500))
      expect(await there.firstWindow()).toEqual(await here.firstWindow())
    }
  })

  test('an error keeps its code and its message', async () => {
    await expect(threaded.open(fixture('video-without-sound.mp4'), OPTIONS)).rejects.toMatchObject({
      name: 'EngineError',
      code: 'audio.no_audio_stream',
      message: expect.stringContaining('no audio stream'),
    })
    const long = threaded.open(fixture('es-long.mp3'), { ...OPTIONS, maxSeconds: 1 })
    await expect(long).rejects.toMatchObject({ code: 'audio.too_long' })
  })

  test('a thread that says nothing is told of, however long it takes to hang', async () => {
    const { promise: hangs, resolve } = Promise.withResolvers<void>()
    const entry = fileURLToPath(new URL('../../../test/support/hanging-features.child.ts', import.meta.url))
    await using hanging = new ThreadedFeatures({ entry, stallMs: 300, onHang: resolve })
    const reading = hanging.open(fixture('en-short.wav'), OPTIONS).catch((error: unknown) => error)
    await hangs
    await hanging[Symbol.asyncDispose]()
    expect(await reading).toMatchObject({ message: 'the audio thread has ended' })
  })

  test('an abort ends it, and the next one is read', async () => {
    const controller = new AbortController()
    const opening = threaded.open(fixture('en-one-minute.m4a'), {
      ...OPTIONS,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await expect(opening).rejects.toThrow('enough')
    await using next = await threaded.open(fixture('en-short.wav'), OPTIONS)
    expect(next.contentFrames).toBeGreaterThan(0)
  })
})
