import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import process from 'node:process'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostileMedia } from '../../fuzz/media/hostile-media.ts'
import { mutate } from '../../fuzz/media/mutate.ts'
import { randomOf } from '../../test/support/random.ts'
import { fixture } from '../../test/support/clips.ts'
import { isAlive } from '../../test/support/process-tree.ts'
import type { ProbedObject } from '../payloads/length-probe.ts'
import { HeaderProbe } from './header-probe.ts'

const logger = pino({ level: 'silent' })
const isLinux = process.platform === 'linux'

/** Longer than a machine that is busy takes for a good file; what hangs is given up after it. */
const PATIENT_MS = 20_000

interface Counted extends ProbedObject {
  reads: number
  readBytes: number
}

function ofBytes(bytes: Buffer, extension: string): Counted {
  return ofRanges(bytes.length, extension, (start, end) => bytes.subarray(start, end))
}

function ofRanges(bytes: number, extension: string, range: (start: number, end: number) => Buffer): Counted {
  const counted: Counted = {
    ...{ bytes, extension, reads: 0, readBytes: 0 },
    readRange: async (start, end) => {
      counted.reads++
      counted.readBytes += end - start
      return range(start, end)
    },
  }
  return counted
}

const ofFixture = (name: string): Counted => ofBytes(readFileSync(fixture(name)), extname(name).slice(1))

const GOOD = ofFixture('en-short.wav')
/** A store that never answers. */
const SILENT: ProbedObject = { bytes: 32_000, extension: 'mp3', readRange: () => new Promise<never>(() => undefined) }

const RIFF = Buffer.from('RIFF\xff\xff\xff\x7fWAVE', 'latin1')
/** Gigabytes of empty chunks, through which FFmpeg walks for many seconds. */
const ENDLESS = ofRanges(2 ** 32, 'wav', (start, end) => {
  const zeros = Buffer.alloc(end - start)
  if (start === 0) RIFF.copy(zeros)
  return zeros
})
/** Has a chunk that leads to its middle, and does something instead of reading that. */
const stuckAfter = (atMiddle: () => void): ProbedObject => ({
  ...ENDLESS,
  readRange: async (start, end) => {
    if (start === 0) return Buffer.concat([RIFF, Buffer.from('JUNK\0\0\0\x40', 'latin1'), Buffer.alloc(end - 20)])
    if (end === ENDLESS.bytes) return Buffer.alloc(end - start)
    atMiddle()
    return await new Promise<never>(() => undefined)
  },
})
const STUCK = stuckAfter(() => undefined)

describe('the length of a recording', () => {
  let probe: HeaderProbe
  beforeAll(async () => {
    probe = new HeaderProbe({ logger, limitMs: PATIENT_MS })
    await probe.start()
  })
  afterAll(() => probe[Symbol.asyncDispose]())

  test.each([
    ['en-short.wav', 3.04],
    ['en-one-minute.m4a', 59.82],
    ['es-long.mp3', 44.23],
    ['es-short.ogg', 10.51],
    ['de-short.webm', 10.97],
    ['en-questions.flac', 9.45],
    ['video-with-sound.mp4', 3.04],
  ])('%s is read from its headers, in a few reads', async (name, seconds) => {
    const file = ofFixture(name)
    const found = await probe.lengthOf(file, 'owner')
    expect(found.isFinal).toBe(true)
    expect(found.seconds).toBeCloseTo(seconds, 1)
    expect(file.reads).toBeLessThan(6)
    expect(file.readBytes).toBeLessThan(2 ** 19)
  })

  test('is found behind a picture of twelve megabytes, which is not read', async () => {
    const size = 12 * 2 ** 20
    const synchsafe = (value: number): Buffer => Buffer.from([21, 14, 7, 0].map((shift) => (value >> shift) & 0x7f))
    const picture = Buffer.concat([Buffer.from('\0image/png\0\x03\0', 'latin1'), Buffer.alloc(size, 0xff)])
    const frame = Buffer.concat([Buffer.from('APIC'), synchsafe(picture.length), Buffer.alloc(2), picture])
    const tag = Buffer.concat([Buffer.from('ID3\x04\0\0', 'latin1'), synchsafe(frame.length), frame])
    const file = ofBytes(Buffer.concat([tag, readFileSync(fixture('es-long.mp3'))]), 'mp3')
    expect((await probe.lengthOf(file, 'owner')).seconds).toBeCloseTo(44.23, 1)
    expect(file.readBytes).toBeLessThan(2 ** 20)
  })

  test('is found in an mp4 whose header stands behind its media, and the media is not read', async () => {
    const boxes = boxesOf(readFileSync(fixture('de-long.m4a')))
    const movie = boxes.filter(({ type }) => type === 'moov').map(({ bytes }) => bytes)
    const others = boxes.filter(({ type }) => type !== 'moov').map(({ bytes }) => bytes)
    const padding = Buffer.alloc(12 * 2 ** 20)
    padding.writeUInt32BE(padding.length, 0)
    padding.write('mdat', 4, 'latin1')
    const file = ofBytes(Buffer.concat([...others, padding, ...movie]), 'm4a')
    expect((await probe.lengthOf(file, 'owner')).seconds).toBeCloseTo(44.65, 1)
    expect(file.readBytes).toBeLessThan(2 ** 20)
  })

  test('is unknown of what is no recording', async () => {
    const unknown = { seconds: undefined, isFinal: true }
    expect(await probe.lengthOf(ofBytes(Buffer.alloc(160_000, 'letter '), 'mp3'), 'owner')).toEqual(unknown)
    expect(await probe.lengthOf(ofBytes(Buffer.alloc(0), 'wav'), 'owner')).toEqual(unknown)
  })

  test('is unknown for now when the store can’t be read', async () => {
    const broken = { ...GOOD, readRange: () => Promise.reject(new Error('the store is away')) }
    expect(await probe.lengthOf(broken, 'owner')).toEqual({ seconds: undefined, isFinal: false })
    expect((await probe.lengthOf(GOOD, 'owner')).seconds).toBeCloseTo(3.04, 2)
  })

  test('is a length or unknown, whatever the bytes: hostile headers by grammar and by mutation', async () => {
    const random = randomOf(20_261_126)
    const known = await Promise.all(
      Array.from({ length: 150 }, async (_, index) => {
        const { bytes, extension } = hostileMedia(random)
        const file = ofBytes(index % 3 === 0 ? mutate(random, bytes) : bytes, extension)
        const { seconds } = await probe.lengthOf(file, `owner ${index % 10}`)
        expect(seconds === undefined || (seconds > 0 && seconds < 367 * 86_400)).toBe(true)
        expect(file.readBytes).toBeLessThanOrEqual(17 * 2 ** 20)
      }),
    )
    expect(known).toHaveLength(150)
    expect((await probe.lengthOf(GOOD, 'owner')).seconds).toBeCloseTo(3.04, 2)
  })
})

describe('a probe that is hurt', () => {
  test.each([
    ['a header that FFmpeg walks through without end', ENDLESS],
    ['a file whose middle the store does not give', STUCK],
  ])('%s: the length is unknown, the process ends, the next file gets its length', async (_name, hostile) => {
    await using probe = new HeaderProbe({ logger, limitMs: 1000 })
    await probe.start()
    const [pid = 0] = probe.pids
    expect((await probe.lengthOf(hostile, 'owner')).seconds).toBeUndefined()
    await expect.poll(() => isAlive(pid)).toBe(false)
    await expect.poll(async () => (await probe.lengthOf(GOOD, 'owner')).seconds).toBeCloseTo(3.04, 2)
  })

  test('a process that dies of a file: its length is unknown, the next one gets its length', async () => {
    await using probe = new HeaderProbe({ logger, limitMs: 600_000 })
    await probe.start()
    const { pids } = probe
    const deadly = stuckAfter(() => {
      for (const pid of pids) process.kill(pid, 'SIGSEGV')
    })
    expect((await probe.lengthOf(deadly, 'owner')).seconds).toBeUndefined()
    await expect.poll(() => probe.pids).not.toEqual(pids)
    expect((await probe.lengthOf(GOOD, 'owner')).seconds).toBeCloseTo(3.04, 2)
  })

  test('one owner’s files that hang, however many, do not keep another one’s from their lengths', async () => {
    await using probe = new HeaderProbe({ logger, limitMs: PATIENT_MS })
    await probe.start()
    let stuck = 0
    const hostile = stuckAfter(() => stuck++)
    for (let left = 20; left > 0; left--) void probe.lengthOf(hostile, 'hostile')
    await expect.poll(() => stuck).toBe(2)
    expect((await probe.lengthOf(GOOD, 'good')).seconds).toBeCloseTo(3.04, 2)
    expect(probe.pids.length).toBeLessThanOrEqual(4)
  })

  test('a store that never answers takes no process', async () => {
    await using probe = new HeaderProbe({ logger, limitMs: 1000 })
    await probe.start()
    const { pids } = probe
    const unknown = Array.from({ length: 40 }, () => ({ seconds: undefined, isFinal: false }))
    expect(await Promise.all(unknown.map(() => probe.lengthOf(SILENT, 'owner')))).toEqual(unknown)
    expect(probe.pids).toEqual(pids)
  })

  test('files that get no process in time have no length for now', async () => {
    await using probe = new HeaderProbe({ logger, limitMs: 1000 })
    await probe.start()
    const found = await Promise.all(Array.from({ length: 20 }, () => probe.lengthOf(ENDLESS, 'owner')))
    expect(found).toHaveLength(20)
    expect(found).toContainEqual({ seconds: undefined, isFinal: true })
    expect(found).toContainEqual({ seconds: undefined, isFinal: false })
  })

  test('when it is closed, those that wait are answered and no process is left', async () => {
    const probe = new HeaderProbe({ logger, limitMs: PATIENT_MS })
    await probe.start()
    const waiting = [probe.lengthOf(STUCK, 'a'), probe.lengthOf(STUCK, 'a'), probe.lengthOf(STUCK, 'a')]
    await expect.poll(() => probe.pids.length).toBe(2)
    const { pids } = probe
    await probe[Symbol.asyncDispose]()
    expect((await Promise.all(waiting)).map(({ seconds }) => seconds)).toEqual([undefined, undefined, undefined])
    expect(await Promise.all(pids.map(isAlive))).toEqual(pids.map(() => false))
  })
})

test.skipIf(!isLinux)('kill -9 of the server in the middle of a file ends the probe’s process', async () => {
  const server = spawn(process.execPath, [join(import.meta.dirname, '../../test/support/header-probe.child.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(server.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  expect(await isAlive(pid)).toBe(true)
  server.kill('SIGKILL')
  await expect.poll(() => isAlive(pid)).toBe(false)
})

test.skipIf(!isLinux)('a probe’s process has limits, and an environment without secrets', async () => {
  process.env['SOTTO_TEST_SECRET'] = 'of the server alone'
  try {
    await using probe = new HeaderProbe({ logger })
    await probe.start()
    const [pid = 0] = probe.pids
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    expect(environment).not.toContain('SOTTO_TEST_SECRET')
    const limits = await readFile(`/proc/${pid}/limits`, 'utf8')
    expect(limits).toMatch(/Max data size +1073741824 /)
    expect(limits).toMatch(/Max file size +0 /)
    expect(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('1000\n')
    await using file = await open(`/proc/${pid}/cmdline`)
    expect(await file.readFile('utf8')).toContain('--max-old-space-size=64')
  } finally {
    delete process.env['SOTTO_TEST_SECRET']
  }
})

function boxesOf(file: Buffer): readonly { readonly type: string; readonly bytes: Buffer }[] {
  const boxes = []
  for (let at = 0; at < file.length;) {
    const bytes = file.subarray(at, at + file.readUInt32BE(at))
    boxes.push({ type: bytes.toString('latin1', 4, 8), bytes })
    at += bytes.length
  }
  return boxes
}
