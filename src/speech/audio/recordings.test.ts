import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clips, fixture } from '../../../test/support/clips.ts'
import {
  interleaved,
  overwritten,
  samplesOf,
  wav,
  withClustersLater,
  withoutBlocks,
} from '../../../test/support/media.ts'
import { PROJECT } from '../../../test/support/server.ts'
import { decodeAudio } from './decode-audio.ts'
import type { AudioSource } from './decode-audio.ts'
import { openFeatures } from './features.ts'
import { SAMPLE_RATE } from './log-mel.ts'
import { AudioWarnings } from './warnings.ts'
import type { AudioWarning } from '../../contract/transcript.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-recordings-'))
})
afterAll(() => rm(folder, { recursive: true }))

const recording = (name: string): string => join(PROJECT, 'test/fixtures/recordings', name)
const short = (): Promise<Buffer> => readFile(fixture('en-short.wav'))

async function file(name: string, content: Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}

interface Heard {
  readonly samples: Int16Array
  readonly seconds: number
  readonly warnings: readonly AudioWarning[]
}

async function hear(path: string, source?: AudioSource): Promise<Heard> {
  const warnings = new AudioWarnings()
  const chunks: Buffer[] = []
  for await (const { buffer, byteOffset, byteLength } of decodeAudio(path, { warnings, ...(source && { source }) })) {
    chunks.push(Buffer.from(Buffer.from(buffer, byteOffset, byteLength)))
  }
  const samples = new Int16Array(new Uint8Array(Buffer.concat(chunks)).buffer)
  return { samples, seconds: samples.length / SAMPLE_RATE, warnings: warnings.list }
}

const codes = ({ warnings }: Heard): readonly string[] => warnings.map(({ code }) => code)
const part = ({ samples }: Heard, from: number, to = Infinity): Int16Array =>
  samples.subarray(Math.round(from * SAMPLE_RATE), to === Infinity ? undefined : Math.round(to * SAMPLE_RATE))
const peak = (samples: Int16Array): number => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)

/** Loudness of each 20 ms. */
function envelope(samples: Int16Array): readonly number[] {
  return Array.from({ length: Math.floor(samples.length / 320) }, (_, at) => {
    const piece = samples.subarray(at * 320, (at + 1) * 320)
    return Math.sqrt(piece.reduce((sum, sample) => sum + sample * sample, 0) / 320)
  })
}

/** From 0 to 1: how alike the loudness of two sounds is, as far as both go. */
function likeness(one: Int16Array, other: Int16Array): number {
  const length = Math.min(one.length, other.length)
  const [a, b] = [envelope(one.subarray(0, length)), envelope(other.subarray(0, length))]
  const dot = (x: readonly number[], y: readonly number[]): number =>
    x.reduce((sum, v, at) => sum + v * (y[at] ?? 0), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

function id3(content: Buffer): Buffer {
  const size = content.length + 10
  const head = Buffer.from('ID3\x03\0\0....APIC....\0\0', 'latin1')
  for (const [at, shift] of [21, 14, 7, 0].entries()) head[6 + at] = (size >> shift) & 0x7f
  head.writeUInt32BE(content.length, 14)
  return Buffer.concat([head, content])
}

function ape(content: Buffer): Buffer {
  const end = (flags: number): Buffer => {
    const bytes = Buffer.alloc(32)
    bytes.write('APETAGEX')
    bytes.writeUInt32LE(2000, 8)
    bytes.writeUInt32LE(content.length + 32, 12)
    bytes.writeUInt32LE(1, 16)
    bytes.writeUInt32LE(flags, 20)
    return bytes
  }
  return Buffer.concat([end(0xa000_0000), content, end(0x8000_0000)])
}

/** The same of a sound that begins in one at about this time: what encoders pad shifts it a little. */
function likenessAround(one: Heard, seconds: number, other: Int16Array): number {
  const shifts = Array.from({ length: 41 }, (_, at) => (at - 20) / 100)
  return Math.max(...shifts.map((shift) => likeness(part(one, seconds + shift), other.subarray(0, 40 * SAMPLE_RATE))))
}

test.each(clips(120))('$name is unhurt', async ({ path }) => {
  await using features = await openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds: null })
  expect(features.warnings).toEqual([])
})

describe('gaps keep their place in time', () => {
  test('that timestamps leave', async () => {
    const whole = await readFile(fixture('de-short.webm'))
    const before = await hear(fixture('de-short.webm'))
    const gap = await hear(await file('gap.webm', withClustersLater(whole, 1000, 40_000)))
    expect(gap.seconds).toBeCloseTo(before.seconds + 40, 1)
    const { code, start = 0, end = 0 } = gap.warnings[0] ?? {}
    expect([code, gap.warnings.length]).toEqual(['audio.gap', 1])
    expect(end - start).toBeCloseTo(40, 1)
    expect(peak(part(gap, start + 0.1, end - 0.1))).toBe(0)
    expect(likeness(part(gap, end), part(before, end - 40))).toBeGreaterThan(0.95)
  })

  test('of an encoder that leaves pauses out', async () => {
    const whole = await readFile(fixture('de-short.webm'))
    const before = await hear(fixture('de-short.webm'))
    const paused = await hear(await file('dtx.webm', withoutBlocks(whole, 2000, 2600)))
    expect(paused.seconds).toBeCloseTo(before.seconds, 1)
    expect(paused.warnings).toEqual([])
    expect(peak(part(paused, 2.1, 2.5))).toBe(0)
    expect(likeness(part(paused, 3), part(before, 3))).toBeGreaterThan(0.95)
  })

  test('so many that not each is told', async () => {
    let webm: Buffer = await readFile(fixture('de-short.webm'))
    const { seconds } = await hear(fixture('de-short.webm'))
    for (let at = 200; at < 10_000; at += 400) webm = withoutBlocks(webm, at, at + 200)
    const many = await hear(await file('many.webm', webm))
    expect(many.seconds).toBeCloseTo(seconds, 0)
    expect(many.warnings).toEqual([])
  })

  test('in MPEG-TS', async () => {
    const gap = await hear(recording('gap.m2ts'))
    expect(gap.seconds).toBeCloseTo(43.05, 1)
    expect(codes(gap)).toEqual(['audio.gap'])
    expect(peak(part(gap, 3, 42.8))).toBe(0)
  })

  test('frames of comfort noise, which are not decoded, are silence', async () => {
    const phone = await hear(recording('voice-activity.3gp'))
    expect(phone.seconds).toBeCloseTo(9.46, 2)
    expect(phone.warnings).toEqual([])
    const reference = await hear(fixture('en-questions.flac'))
    expect(likeness(part(phone, 5.5, 6.6), part(reference, 5.5, 6.6))).toBeGreaterThan(0.9)
  })

  test('times count from the container’s beginning', async () => {
    const late = await hear(recording('late-sound.mkv'))
    expect(late.seconds).toBeCloseTo(8.03, 1)
    expect(late.warnings).toEqual([])
    expect(peak(part(late, 0, 4.9))).toBe(0)
    expect(likeness(part(late, 5), part(await hear(fixture('en-short.wav')), 0))).toBeGreaterThan(0.9)
  })

  test('a recording with them may be too long', async () => {
    const path = recording('gap.m2ts')
    const opened = openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds: 20 })
    await expect(opened).rejects.toMatchObject({ code: 'audio.too_long' })
  })
})

describe('a damaged stretch costs its own sound only', () => {
  test.each([
    ['en-one-minute.m4a', 59.82],
    ['es-short.ogg', 10.51],
    ['es-long.mp3', 44.23],
    ['en-questions.flac', 9.45],
  ])('%s', async (name, seconds) => {
    const hurt = await hear(await file(`hurt-${name}`, overwritten(await readFile(fixture(name)), 0.45, 0.55)))
    const whole = await hear(fixture(name))
    expect(hurt.seconds).toBeGreaterThan(0.85 * seconds)
    expect(hurt.seconds).toBeLessThan(seconds + 0.2)
    expect(likeness(part(hurt, 0, 0.4 * seconds), part(whole, 0, 0.4 * seconds))).toBeGreaterThan(0.99)
    // A page of Ogg whose checksum is wrong is left out without a word: by its clock it is a gap.
    expect(codes(hurt)).toContain(name.endsWith('.ogg') ? 'audio.gap' : 'audio.damaged')
  })

  test('so long that reading fails', async () => {
    const whole = await readFile(fixture('es-short.ogg'))
    const middle = whole.indexOf('OggS', whole.length / 2)
    const noise = overwritten(Buffer.alloc(300_000), 0, 1)
    const hurt = await hear(
      await file('noise.ogg', Buffer.concat([whole.subarray(0, middle), noise, whole.subarray(middle)])),
    )
    expect(hurt.seconds).toBeCloseTo(10.51, 1)
    expect(codes(hurt)).toEqual(['audio.damaged'])
  })

  test('also where a recording that is joined to others can’t be decoded', async () => {
    const whole = await short()
    const many = wav(
      interleaved(
        samplesOf(whole),
        Array.from({ length: 512 }, () => (sample: number) => sample),
      ).subarray(0, 51_200),
      {
        channels: 512,
      },
    )
    const joined = await hear(await file('kinds.wav', Buffer.concat([whole, many, whole])))
    expect(joined.samples.length).toBe(2 * samplesOf(whole).length)
    expect(joined.warnings).toMatchObject([{ code: 'audio.damaged', start: 3.04 }])
  })

  test('what lies behind it is at its time', async () => {
    const hurt = await hear(
      await file('hurt.m4a', overwritten(await readFile(fixture('en-one-minute.m4a')), 0.45, 0.55)),
    )
    const whole = await hear(fixture('en-one-minute.m4a'))
    expect(likeness(part(hurt, 40), part(whole, 40))).toBeGreaterThan(0.99)
    const [{ start = 0, end = 0 } = {}] = hurt.warnings
    expect(end - start).toBeGreaterThan(4)
    expect(start).toBeGreaterThan(20)
    expect(end).toBeLessThan(40)
  })
})

describe('a file that was cut off gives what is there', () => {
  test.each([
    ['en-two-voices.mp3', 40_000],
    ['en-short.wav', 40_000],
    ['en-questions.flac', 60_000],
    ['de-short.webm', 30_000],
    ['es-short.ogg', 30_000],
  ])('%s at %d bytes', async (name, bytes) => {
    const whole = await hear(fixture(name))
    const cut = await hear(await file(`cut-${name}`, (await readFile(fixture(name))).subarray(0, bytes)))
    expect(cut.seconds).toBeGreaterThan(1)
    expect(cut.seconds).toBeLessThan(0.7 * whole.seconds)
    expect(codes(cut)).toEqual(['audio.shorter_than_announced'])
    expect(likeness(part(cut, 0, cut.seconds - 0.1), whole.samples)).toBeGreaterThan(0.99)
  })
})

test.each(['en-two-voices.mp3', 'de-short.webm'])(
  'the end of %s was lost, and nothing is in its place',
  async (name) => {
    const hurt = await readFile(fixture(name))
    hurt.fill(0, Math.round(0.6 * hurt.length))
    const heard = await hear(await file(`zeros-${name}`, hurt))
    expect(codes(heard)).toEqual(['audio.damaged'])
  },
)

test('the middle of an MP3 was lost, and nothing is in its place', async () => {
  const hurt = await readFile(fixture('es-long.mp3'))
  hurt.fill(0, Math.round(0.4 * hurt.length), Math.round(0.6 * hurt.length))
  const heard = await hear(await file('hole.mp3', hurt))
  expect(codes(heard)).toEqual(['audio.damaged'])
})

describe('a header that announces more than there is, and can’t be true', () => {
  test.each([0, 2_000_000_000, 0x7fff_ffff, 0xffff_ffff])('a WAV of %d bytes', async (announcedBytes) => {
    const whole = await short()
    const streamed = await hear(await file('streamed.wav', wav(whole.subarray(44), { announcedBytes })))
    expect(streamed.samples).toEqual(samplesOf(whole))
    expect(streamed.warnings).toEqual([])
  })

  test('a frame count that is twice too high', async () => {
    const mp3 = await readFile(fixture('en-two-voices.mp3'))
    const at = Math.max(mp3.indexOf('Xing'), mp3.indexOf('Info'))
    expect(at).toBeGreaterThan(0)
    mp3.writeUInt32BE(2 * mp3.readUInt32BE(at + 8), at + 8)
    const heard = await hear(await file('xing.mp3', mp3))
    expect(heard.seconds).toBeCloseTo(10.66, 1)
    expect(heard.warnings).toEqual([])
  })

  test('what stands behind the boxes of an MP4, and is none', async () => {
    const whole = await readFile(fixture('en-one-minute.m4a'))
    const tag = Buffer.from('TAGA title'.padEnd(128))
    const heard = await hear(await file('tagged.m4a', Buffer.concat([whole, tag])))
    expect(heard.seconds).toBeCloseTo(59.82, 1)
    expect(heard.warnings).toEqual([])
  })

  test('a live recording without a duration', async () => {
    const webm = await readFile(fixture('de-short.webm'))
    const duration = webm.indexOf(Buffer.from('448988', 'hex'))
    expect(duration).toBeGreaterThan(0)
    webm.write('ec89', duration, 'hex')
    const heard = await hear(await file('live.webm', webm))
    expect(heard.seconds).toBeCloseTo(10.97, 1)
    expect(heard.warnings).toEqual([])
  })
})

describe('a header that announces less than there is', () => {
  test('what follows and is no chunk is sound', async () => {
    const whole = await short()
    const under = await hear(await file('under.wav', wav(whole.subarray(44), { announcedBytes: 32_000 })))
    expect(under.samples).toEqual(samplesOf(whole))
    expect(under.warnings).toEqual([])
  })

  test('in several channels of 32 bits, as a size that wrapped at 4 GiB leaves it', async () => {
    const samples = samplesOf(await short())
    const wide = new Int32Array(8 * samples.length)
    for (const [at, sample] of samples.entries()) wide.fill(sample * 65_536, 8 * at, 8 * at + 8)
    const data = new Uint8Array(wide.buffer)
    const heard = await hear(await file('wrapped.wav', wav(data, { channels: 8, bits: 32, announcedBytes: 32_000 })))
    expect(heard.seconds).toBeCloseTo(3.04, 2)
    expect(likeness(heard.samples, samples)).toBeGreaterThan(0.99)
  })

  test('chunks behind the data are none', async () => {
    const whole = await short()
    const list = Buffer.concat([Buffer.from('LIST'), Buffer.from('a0860100', 'hex'), Buffer.alloc(100_000, 'INFO')])
    const tagged = await hear(await file('tagged.wav', Buffer.concat([whole, list])))
    expect(tagged.samples).toEqual(samplesOf(whole))
  })

  test('another WAV behind it is another recording', async () => {
    const whole = await short()
    const joined = await hear(await file('joined.wav', Buffer.concat([whole, whole, whole])))
    const once = samplesOf(whole)
    expect(joined.samples.length).toBe(3 * once.length)
    expect(joined.samples.subarray(2 * once.length)).toEqual(once)
  })
})

describe('files that were joined', () => {
  test('MP3 of different rates and channels', async () => {
    const parts = ['en-two-voices.mp3', 'es-long.mp3']
    const joined = Buffer.concat(await Promise.all(parts.map((name) => readFile(fixture(name)))))
    const heard = await hear(await file('podcast.mp3', joined))
    expect(heard.seconds).toBeCloseTo(10.66 + 44.23, 0)
    expect(heard.warnings).toEqual([])
    expect(peak(part(heard, 50))).toBeGreaterThan(1000)
  })

  test('more of them than are read, which is told', async () => {
    const parts = Array.from({ length: 1002 }, () => wav(new Uint8Array(320)))
    const heard = await hear(await file('parts.wav', Buffer.concat(parts)))
    expect(heard.seconds).toBeCloseTo(10, 1)
    expect(heard.warnings).toEqual([expect.objectContaining({ code: 'audio.damaged', start: heard.seconds })])
  })

  test('Ogg, mono and then stereo, and then mono', async () => {
    const [mono, stereo] = await Promise.all([readFile(fixture('es-short.ogg')), readFile(recording('stereo.opus'))])
    const heard = await hear(await file('chained.opus', Buffer.concat([mono, stereo, mono])))
    expect(heard.seconds).toBeCloseTo(10.51 + 3.04 + 10.51, 1)
    expect(heard.warnings).toEqual([])
    const first = await hear(fixture('es-short.ogg'))
    expect(likeness(part(heard, 0, 10.51), first.samples)).toBeGreaterThan(0.99)
    expect(likeness(part(heard, 10.51, 13.55), samplesOf(await short()))).toBeGreaterThan(0.9)
    expect(likeness(part(heard, 13.55), first.samples)).toBeGreaterThan(0.99)
  })

  describe('MP3 with tags between them', () => {
    const NAMES = ['en-two-voices.mp3', 'es-long.mp3', 'en-two-voices.mp3']
    const picture = (bytes: number): Buffer => overwritten(Buffer.alloc(bytes), 0, 1)
    const title = Buffer.from('TAGA title'.padEnd(128))
    const tags = async (between: Buffer): Promise<Heard> => {
      const parts = await Promise.all(NAMES.map((name) => readFile(fixture(name))))
      return await hear(await file('tags.mp3', Buffer.concat(parts.flatMap((mp3) => [between, mp3]))))
    }

    test.each([
      ['ID3v2 with a large picture', id3(picture(3_000_000))],
      ['ID3v2 with a picture', id3(picture(20_000))],
      ['a small ID3v2', id3(Buffer.from('a title'))],
      ['APEv2', ape(picture(100_000))],
      ['ID3v1', title],
      ['all of them', Buffer.concat([ape(picture(50_000)), title, id3(picture(500_000)), id3(picture(70))])],
    ])('%s', async (_, between) => {
      const heard = await tags(between)
      expect(heard.warnings).toEqual([])
      expect(heard.seconds).toBeCloseTo(10.66 + 44.23 + 10.66, 0)
      const { samples } = await hear(fixture('es-long.mp3'))
      expect(likenessAround(heard, 10.66, samples)).toBeGreaterThan(0.98)
    })

    test('behind a recording that breaks off within a frame', async () => {
      const [first, second] = await Promise.all([
        readFile(fixture('en-two-voices.mp3')),
        readFile(fixture('es-long.mp3')),
      ])
      const joined = [first.subarray(0, 60_011), id3(picture(1_000_000)), second]
      const heard = await hear(await file('broken-off.mp3', Buffer.concat(joined)))
      expect(heard.warnings).toEqual([])
      const { samples } = await hear(fixture('es-long.mp3'))
      expect(likenessAround(heard, heard.seconds - 44.23, samples)).toBeGreaterThan(0.98)
    })
  })

  test('a tag behind an MP3 is no sound', async () => {
    const mp3 = await readFile(fixture('en-two-voices.mp3'))
    const picture = overwritten(Buffer.alloc(100_000), 0, 1)
    const footer = Buffer.alloc(32)
    footer.write('APETAGEX')
    footer.writeUInt32LE(2000, 8)
    footer.writeUInt32LE(picture.length + 32, 12)
    footer.writeUInt32LE(1, 16)
    const heard = await hear(await file('tagged.mp3', Buffer.concat([mp3, picture, footer])))
    expect(heard.seconds).toBeLessThan(10.66 + 0.5)
    expect(heard.seconds).toBeGreaterThan(10.6)
    expect(heard.warnings).toEqual([])
  })
})

describe('any number of channels', () => {
  const same = (sample: number): number => sample

  test.each([9, 60, 255])('%d without a layout are averaged', async (channels) => {
    const samples = samplesOf(await short()).subarray(0, 16_000)
    const data = interleaved(
      samples,
      Array.from({ length: channels }, () => same),
    )
    const heard = await hear(await file('channels.wav', wav(data, { channels })))
    expect(heard.samples.length).toBe(samples.length)
    expect(likeness(heard.samples, samples)).toBeGreaterThan(0.999)
  })

  test('too many are refused by their number', async () => {
    const path = await file('channels.wav', wav(new Uint8Array(512 * 2 * 100), { channels: 512 }))
    await expect(hear(path)).rejects.toMatchObject({
      code: 'audio.unsupported',
      message: expect.stringContaining('512 channels'),
    })
  })

  test('of ambisonics the sound from everywhere is taken', async () => {
    const heard = await hear(recording('ambisonic.mka'))
    expect(heard.seconds).toBeCloseTo(3.04, 2)
    expect(likeness(heard.samples, samplesOf(await short()))).toBeGreaterThan(0.9)
  })

  test('that cancel each other: the louder one is taken', async () => {
    const samples = samplesOf(await short())
    const antiphase = interleaved(samples, [same, (sample) => -Math.trunc(sample / 1.05)])
    const path = await file('antiphase.wav', wav(antiphase, { channels: 2 }))
    await using features = await openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds: null })
    await using plain = await openFeatures(fixture('en-short.wav'), {
      melBands: 80,
      temporaryFolder: folder,
      maxSeconds: null,
    })
    expect(await features.window(0, 300)).toEqual(await plain.window(0, 300))
    expect(features.warnings).toMatchObject([
      { code: 'audio.channel_chosen', message: expect.stringContaining('channel 0') },
    ])
  })

  test('that are silent stay silent', async () => {
    const path = await file('silent.wav', wav(new Uint8Array(4 * 16_000), { channels: 2 }))
    await using features = await openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds: null })
    expect([features.durationSeconds, features.warnings]).toEqual([1, []])
  })
})

describe('the track that speaks', () => {
  const open = (path: string, audioTrack: number | null) =>
    openFeatures(path, { melBands: 80, temporaryFolder: folder, maxSeconds: null, audioTrack })
  const loudest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, value), -Infinity)

  test('is taken where the default one is silent', async () => {
    await using auto = await open(recording('silent-track-first.mka'), null)
    await using second = await open(recording('silent-track-first.mka'), 1)
    await using first = await open(recording('silent-track-first.mka'), 0)
    expect(await auto.window(0, 300)).toEqual(await second.window(0, 300))
    expect(auto.warnings).toMatchObject([{ code: 'audio.track_chosen', message: expect.stringContaining('track 1') }])
    expect([first.warnings, second.warnings]).toEqual([[], []])
    expect(loudest(await first.firstWindow())).toBeLessThan(loudest(await second.firstWindow()))
  })

  test('is the next one where the first can’t be decoded', async () => {
    await using auto = await open(recording('unknown-codec-first.mov'), null)
    expect(auto.durationSeconds).toBeCloseTo(3.04, 0)
    expect(auto.warnings).toMatchObject([{ code: 'audio.track_chosen' }])
    await expect(open(recording('unknown-codec-first.mov'), 0)).rejects.toMatchObject({
      code: 'audio.unsupported',
      message: expect.stringContaining('apac'),
    })
  })

  test('is the silent one where another can’t be converted', async () => {
    await using auto = await open(recording('silent-beside-unusable.mka'), null)
    expect([auto.durationSeconds, auto.warnings]).toEqual([0.5, []])
    await expect(open(recording('silent-beside-unusable.mka'), 1)).rejects.toMatchObject({ code: 'audio.unsupported' })
  })

  test('is refused when there is no such one', async () => {
    await expect(open(recording('silent-track-first.mka'), 2)).rejects.toMatchObject({
      code: 'input.invalid',
      message: 'input.audio_track is 2, and the file has 2 audio tracks, 0 to 1.',
    })
  })
})

describe('other formats', () => {
  test('NIST SPHERE', async () => {
    const whole = await short()
    const lines = ['NIST_1A', '   1024', 'sample_count -i 48640', 'sample_n_bytes -i 2', 'channel_count -i 1']
    const more = ['sample_byte_format -s2 01', 'sample_rate -i 16000', 'sample_coding -s3 pcm', 'end_head', '']
    const header = Buffer.alloc(1024, ' ')
    header.write([...lines, ...more].join('\n'))
    const heard = await hear(await file('corpus.sph', Buffer.concat([header, whole.subarray(44)])))
    expect(heard.samples).toEqual(samplesOf(whole))
  })

  test('IRCAM', async () => {
    const whole = await short()
    const header = Buffer.alloc(1024)
    header.writeUInt32BE(0x64a3_0100, 0)
    header.writeFloatLE(16_000, 4)
    header.writeUInt32LE(1, 8)
    header.writeUInt32LE(2, 12)
    const heard = await hear(await file('x.ircam', Buffer.concat([header, whole.subarray(44)])))
    expect(heard.samples).toEqual(samplesOf(whole))
  })
})

test('a header without any samples is told as that', async () => {
  const opened = hear(await file('nothing.wav', wav(new Uint8Array(0))))
  await expect(opened).rejects.toMatchObject({
    code: 'audio.silent',
    message: expect.not.stringMatching(/damaged|cut off/),
  })
})

test('an MP3 of two frames, which is shorter than a tag would be', async () => {
  const frame = Buffer.alloc(24)
  // MPEG 2, layer III, 8 kbit/s, 24 kHz, mono.
  frame.writeUInt32BE(0xff_f3_14_c4)
  const { seconds } = await hear(await file('tiny.mp3', Buffer.concat([frame, frame])))
  expect(seconds).toBeGreaterThan(0.04)
})
