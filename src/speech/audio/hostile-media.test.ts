import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../../test/support/clips.ts'
import { box, u32, wav } from '../../../test/support/media.ts'
import { openFeatures } from './features.ts'
import { OPEN_OPTIONS } from './formats.ts'

/** What a decoder may take for a few hundred bytes, a test's own needs included. */
const MAX_GROWTH_BYTES = 300e6

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-hostile-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function failure(name: string, content: Uint8Array, maxSeconds: number | null = null): Promise<unknown> {
  const path = join(folder, name)
  await writeFile(path, content)
  const before = peakBytes()
  const error = await openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds }).then(
    (features) => features[Symbol.asyncDispose](),
    (reason: unknown) => reason,
  )
  expect(peakBytes() - before).toBeLessThan(MAX_GROWTH_BYTES)
  return error
}

/** What is taken for a moment counts as well. */
const peakBytes = (): number => process.resourceUsage().maxRSS * 1024

const zeros = (bytes: number): Buffer => Buffer.alloc(bytes)
const full = (type: string, ...content: readonly Uint8Array[]): Buffer => box(type, u32(0), ...content)

/** A track of so many samples of one byte, all announced by one number. */
function track(samples: number, sizes: Buffer): Buffer {
  const entry = box(
    'mp4a',
    zeros(6),
    Buffer.from([0, 1]),
    zeros(8),
    Buffer.from([0, 1, 0, 16]),
    zeros(4),
    u32(16_000 * 65_536),
  )
  const times = full('stts', u32(1), u32(samples), u32(1024))
  const chunks = full('stsc', u32(1), u32(1), u32(samples), u32(1))
  const table = box('stbl', full('stsd', u32(1), entry), times, chunks, sizes, full('stco', u32(1), u32(400)))
  const handler = full('hdlr', zeros(4), Buffer.from('soun'), zeros(13))
  const media = box(
    'mdia',
    full('mdhd', zeros(8), u32(16_000), u32(samples), zeros(4)),
    handler,
    box('minf', full('smhd', zeros(4)), table),
  )
  return box('trak', full('tkhd', zeros(8), u32(1), zeros(68)), media)
}

function mp4(...boxes: readonly Buffer[]): Buffer {
  const movie = box('moov', full('mvhd', zeros(8), u32(1000), u32(1000), zeros(80)), ...boxes)
  return Buffer.concat([box('ftyp', Buffer.from('isom'), u32(0)), movie, box('mdat', zeros(16))])
}

const SAMPLE_COUNT = 85_000_000
const sizes = (count: number): Buffer => full('stsz', u32(1), u32(count))
const fragment = (count: number): Buffer => box('moof', box('traf', full('tfhd', u32(1)), full('trun', u32(count))))

test('an MP4 of hundreds of thousands of boxes, as hours in fragments have, is read', async () => {
  const boxes = Array.from({ length: 300_000 }, () => box('free'))
  const path = join(folder, 'day.m4a')
  await writeFile(path, Buffer.concat([await readFile(fixture('en-one-minute.m4a')), ...boxes]))
  await using features = await openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds: null })
  expect(features.durationSeconds).toBeCloseTo(59.82, 1)
  expect(features.warnings).toEqual([])
})

describe('a few bytes take no memory', () => {
  test.each([
    ['an index of 85 million samples', mp4(track(SAMPLE_COUNT, sizes(SAMPLE_COUNT)))],
    ['four of them', mp4(...Array.from({ length: 4 }, () => track(SAMPLE_COUNT, sizes(SAMPLE_COUNT))))],
    ['in a box that has no place there', mp4(track(1, sizes(1)), box('udta', sizes(SAMPLE_COUNT)))],
    ['a fragment of 85 million samples', Buffer.concat([mp4(track(0, sizes(0))), fragment(SAMPLE_COUNT)])],
    [
      'thirty fragments of 900,000 samples',
      Buffer.concat([mp4(track(0, sizes(0))), ...Array.from({ length: 30 }, () => fragment(900_000))]),
    ],
    [
      'boxes a thousand deep',
      Array.from({ length: 1000 }).reduce<Buffer>((inner) => box('moov', inner), sizes(SAMPLE_COUNT)),
    ],
  ])('%s', async (_, content) => {
    expect(await failure('bomb.mp4', content)).toMatchObject({ code: 'audio.damaged', retryable: false })
  })

  test('samples of a second each are refused by their rate', async () => {
    const bomb = wav(zeros(100_000), { sampleRate: 1, bits: 8 })
    expect(await failure('slow.wav', bomb)).toMatchObject({
      code: 'audio.unsupported',
      message: expect.stringContaining('1 Hz'),
    })
    const fast = wav(zeros(100_000), { sampleRate: 2_000_000_000, bits: 8 })
    expect(await failure('fast.wav', fast)).toMatchObject({ code: 'audio.unsupported' })
  })

  test('a FLAC frame of 65,535 samples at 1 Hz', async () => {
    // STREAMINFO: blocks of 65,535 samples, 1 Hz, one channel of 16 bits; then a frame of one constant value.
    const streamInfo = Buffer.alloc(34)
    streamInfo.writeUInt16BE(65_535, 0)
    streamInfo.writeUInt16BE(65_535, 2)
    streamInfo.writeUInt32BE((1 << 12) | (15 << 4), 10)
    const frame = Buffer.from('fff87008000000fffe00000000000000', 'hex')
    const flac = Buffer.concat([Buffer.from('fLaC'), Buffer.from([0x80, 0, 0, 34]), streamInfo, frame])
    expect(await failure('bomb.flac', flac)).toMatchObject({ code: expect.stringMatching(/^audio\./) })
  })

  test('what decodes for hours ends at the limit', async () => {
    const path = wav(zeros(2_000_000), { sampleRate: 1000, bits: 8 })
    expect(await failure('long.wav', path, 60)).toMatchObject({
      code: 'audio.too_long',
      message: expect.stringContaining('60 s'),
    })
  })
})

describe('a WAV that FFmpeg would go through eight bytes at a time', () => {
  test('before its sound', async () => {
    const chunks = Buffer.concat(Array.from({ length: 20_000 }, () => Buffer.from('6a756e6b00000000', 'hex')))
    const bomb = Buffer.concat([wav(zeros(0)).subarray(0, 36), chunks])
    expect(await failure('chunks.wav', bomb)).toMatchObject({ code: 'audio.damaged' })
  })

  test('behind it', async () => {
    const chunks = Buffer.concat(Array.from({ length: 20_000 }, () => Buffer.from('6a756e6b00000000', 'hex')))
    // So many are none: they count as sound.
    expect(await failure('behind.wav', Buffer.concat([wav(zeros(32_000)), chunks]))).toBeUndefined()
  })
})

test('no format on the list opens another file', () => {
  const others = [
    'hls',
    'dash',
    'concat',
    'sdp',
    'rtsp',
    'rtp',
    'image2',
    'lavfi',
    'vobsub',
    'imf',
    'mlv',
    'sbg',
    'ffmetadata',
    'fbdev',
    'alsa',
  ]
  const listed = OPEN_OPTIONS.format_whitelist.split(',')
  expect(others.filter((name) => listed.includes(name))).toEqual([])
})
