import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { asWav } from './raw-samples.ts'

async function* cut(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

const SAMPLES = Buffer.from(Array.from({ length: 64_000 }, (_, index) => index % 251))

test.each([1, 3, 1000, 64_000])('bare samples get a header, however their bytes are cut (%d)', async (length) => {
  const wav = await buffer(asWav(cut(SAMPLES, length)))
  expect(wav.toString('latin1', 0, 4)).toBe('RIFF')
  expect([wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt16LE(34)]).toEqual([1, 16_000, 16])
  expect(wav.subarray(44)).toEqual(SAMPLES)
})

test('what is a WAV already stays one', async () => {
  const wav = Buffer.concat([Buffer.from('RIFF'), SAMPLES])
  expect(await buffer(asWav(cut(wav, 2)))).toEqual(wav)
})

test('of the beginning alone the rest is read, and not kept', async () => {
  const wav = await buffer(asWav(cut(SAMPLES, 999), 1))
  expect(wav.subarray(44)).toEqual(SAMPLES.subarray(0, 32_000))
})

test('nothing stays nothing', async () => {
  expect(await buffer(asWav(cut(Buffer.alloc(0), 1)))).toEqual(Buffer.alloc(0))
})
