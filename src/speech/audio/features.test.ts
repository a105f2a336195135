import { copyFile, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clips, fixture } from '../../../test/support/clips.ts'
import { wav } from '../../../test/support/media.ts'
import { goldenTensor, maxError } from '../../../test/support/golden.ts'
import { decodeAudio } from './decode-audio.ts'
import { openFeatures } from './features.ts'
import type { AudioFeatures } from './features.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-audio-'))
})
afterAll(() => rm(folder, { recursive: true }))

const open = (path: string, options: { maxSeconds?: number; signal?: AbortSignal } = {}): Promise<AudioFeatures> =>
  openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds: null, ...options })

/** A file of this name with this content. */
async function file(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

const codeOf = async (path: string, options = {}): Promise<unknown> =>
  await open(path, options).then(
    async (features) => {
      await features[Symbol.asyncDispose]()
      return 'none'
    },
    (error: unknown) => (error as { code?: unknown }).code,
  )

describe('the reference’s log-mel', () => {
  test('of a window, the rest of which has the value 0', async () => {
    await using features = await open(fixture('en-short.wav'))
    expect(features.contentFrames).toBe(304)
    expect(maxError(await features.window(0, 3000), goldenTensor('en-short.mel.f32'))).toBeLessThan(1e-4)
  })

  test('of the first 30 s with the silence behind', async () => {
    await using features = await open(fixture('en-short.wav'))
    expect(maxError(await features.firstWindow(), goldenTensor('en-short.mel-silence.f32'))).toBeLessThan(1e-4)
  })

  test('from a frame on is what the whole window has there', async () => {
    await using features = await open(fixture('en-short.wav'))
    const whole = await features.window(0, 304)
    const part = await features.window(100, 50)
    for (const band of [0, 40, 79]) {
      const at = band * 3000
      expect(part.subarray(at, at + 50)).toEqual(whole.subarray(at + 100, at + 150))
      expect(part[at + 50]).toBe(0)
    }
  })
})

test.each(clips(120))('decodes $name to its length', async ({ path, durationSeconds }) => {
  await using features = await open(path)
  expect(Math.abs(features.durationSeconds - durationSeconds)).toBeLessThan(0.05)
})

test('leaves nothing in the temporary folder', async () => {
  await using own = {
    path: await mkdtemp(join(tmpdir(), 'sotto-spool-')),
    [Symbol.asyncDispose]: async () => undefined,
  }
  await using _ = await openFeatures(fixture('en-short.wav'), {
    melBands: 80,
    temporaryFolder: own.path,
    maxSeconds: null,
  })
  expect(await readdir(own.path)).toEqual([])
  await rm(own.path, { recursive: true })
})

describe('files that can’t be transcribed', () => {
  test('an empty one', async () => {
    expect(await codeOf(await file('empty.mp3', ''))).toBe('audio.empty')
  })

  test.each([
    ['text', 'This is a text and no audio at all. '.repeat(100)],
    ['a web page', `<!doctype html><html><body>${'<p>not found</p>'.repeat(200)}</body></html>`],
  ])('%s', async (_, content) => {
    expect(await codeOf(await file('not-media.mp3', content))).toBe('audio.not_media')
  })

  test('zeros, which might be a damaged mp3', async () => {
    expect(await codeOf(await file('zeros.mp3', new Uint8Array(100_000)))).toBe('audio.damaged')
  })

  test('a picture', async () => {
    const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
    expect(await codeOf(await file('picture.mp3', Buffer.from(pixel, 'base64')))).toBe('audio.not_media')
  })

  test('video without sound', async () => {
    expect(await codeOf(fixture('video-without-sound.mp4'))).toBe('audio.no_audio_stream')
  })

  test('an m4a whose index is missing', async () => {
    const whole = await readFile(fixture('en-one-minute.m4a'))
    expect(await codeOf(await file('cut.m4a', whole.subarray(0, 200_000)))).toBe('audio.not_media')
  })

  test('the padding that an encoder adds to the longest length is none', async () => {
    const silence = await file('padded.wav', wav(new Uint8Array(32_000 * 5.05)))
    expect(await codeOf(silence, { maxSeconds: 5 })).toBe('none')
  })

  test('a longer one than allowed', async () => {
    expect(await codeOf(fixture('en-two-voices.mp3'), { maxSeconds: 5 })).toBe('audio.too_long')
    expect(await codeOf(fixture('en-two-voices.mp3'), { maxSeconds: 11 })).toBe('none')
  })
})

describe('hostile files open no other', () => {
  test.each([
    ['an HLS playlist', (path: string) => `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${path}\n#EXT-X-ENDLIST\n`],
    [
      'an HLS playlist with a URL',
      () => '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n',
    ],
    ['a concatenation script', (path: string) => `ffconcat version 1.0\nfile '${path}'\n`],
    [
      'a session description',
      () => 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n',
    ],
    [
      'a DASH manifest',
      (path: string) =>
        `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation><BaseURL>${path}</BaseURL></Representation></AdaptationSet></Period></MPD>`,
    ],
  ])('%s', async (_, script) => {
    const other = join(folder, 'other.wav')
    await copyFile(fixture('en-short.wav'), other)
    expect(await codeOf(await file('hostile.mp3', script(other)))).toBe('audio.not_media')
  })
})

test('a video’s sound is decoded', async () => {
  await using features = await open(fixture('video-with-sound.mp4'))
  expect(features.durationSeconds).toBeCloseTo(3.04, 1)
})

test('a stream whose header knows no length is decoded', async () => {
  const whole = await readFile(fixture('en-short.wav'))
  whole.writeUInt32LE(0xffff_ffff, 4)
  whole.writeUInt32LE(0xffff_ffff, whole.indexOf('data') + 4)
  await using features = await open(await file('streamed.wav', whole))
  expect(features.durationSeconds).toBeCloseTo(3.04, 2)
})

test('an abort ends the decoding', async () => {
  const controller = new AbortController()
  const chunks = decodeAudio(fixture('en-one-minute.m4a'), { signal: controller.signal })
  await chunks.next()
  controller.abort(new Error('enough'))
  await expect(Array.fromAsync(chunks)).rejects.toThrow('enough')
})
