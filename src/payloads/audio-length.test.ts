import { open } from 'node:fs/promises'
import { extname } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../test/support/clips.ts'
import { audioLength } from './audio-length.ts'

async function lengthOf(path: string): Promise<{ readonly seconds: number; readonly reads: number }> {
  await using file = await open(path)
  const { size: bytes } = await file.stat()
  let reads = 0
  const readRange = async (start: number, end: number): Promise<Uint8Array> => {
    reads += 1
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
    return buffer.subarray(0, bytesRead)
  }
  return { seconds: await audioLength({ bytes, extension: extname(path).slice(1), readRange }), reads }
}

const ofBytes = (bytes: Uint8Array, extension: string): Promise<number> =>
  audioLength({ bytes: bytes.length, extension, readRange: async (start, end) => bytes.subarray(start, end) })

describe('the length of a recording', () => {
  test.each([
    ['en-short.wav', 3.04],
    ['en-one-minute.m4a', 59.84],
  ])('%s is read from its headers, in a few reads', async (name, seconds) => {
    const found = await lengthOf(fixture(name))
    expect(found.seconds).toBeCloseTo(seconds, 1)
    expect(found.reads).toBeLessThan(6)
  })

  test('of what is no recording is guessed from its size', async () => {
    expect(await ofBytes(Buffer.alloc(160_000, 'letter '), 'mp3')).toBe(10)
    expect(await ofBytes(Buffer.alloc(60_000, 'letter '), 'ogg')).toBe(10)
    expect(await ofBytes(Buffer.alloc(0), 'wav')).toBe(1)
  })

  test('of a file whose reads never answer is guessed after two seconds', async () => {
    const stuck = { bytes: 32_000, extension: 'mp3', readRange: () => new Promise<never>(() => undefined) }
    expect(await audioLength(stuck)).toBe(2)
  })

  test('is a positive number whatever the bytes', async () => {
    const beginnings = [
      'RIFF\x24\x00\x00\x00WAVEfmt ',
      'ID3\x04\x00',
      'fLaC',
      'OggS',
      '\x1aE\xdf\xa3',
      '\x00\x00\x00\x18ftypmp42',
      '\xff\xfb\x90',
    ]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...beginnings), fc.uint8Array({ maxLength: 400 }), async (head, tail) => {
        const seconds = await ofBytes(Buffer.concat([Buffer.from(head, 'latin1'), tail]), 'mp3')
        expect(seconds).toBeGreaterThan(0)
        expect(Number.isFinite(seconds)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  test('can be given up', async () => {
    const stop = new AbortController()
    const stuck = { bytes: 32_000, extension: 'mp3', readRange: () => new Promise<never>(() => undefined) }
    const length = audioLength(stuck, stop.signal)
    stop.abort(new Error('gone'))
    await expect(length).rejects.toThrow('gone')
  })
})
