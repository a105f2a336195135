import { open } from 'node:fs/promises'
import { decodeAudio } from '../../src/speech/audio/decode-audio.ts'

const SAMPLE_RATE = 16_000
const HEADER_BYTES = 44

/** A part of a recording as 16 kHz mono wav, the one form that every engine takes as it is, so that none resamples. */
export async function writeWav(
  path: string,
  recording: string,
  part: { readonly fromSeconds?: number; readonly seconds?: number } = {},
): Promise<void> {
  const from = (part.fromSeconds ?? 0) * SAMPLE_RATE
  const to = part.seconds === undefined ? Infinity : from + part.seconds * SAMPLE_RATE
  await using file = await open(path, 'w')
  let seen = 0
  let written = 0
  for await (const chunk of decodeAudio(recording)) {
    const kept = chunk.subarray(Math.max(0, from - seen), Math.max(0, Math.min(chunk.length, to - seen)))
    seen += chunk.length
    await file.write(
      new Uint8Array(kept.buffer, kept.byteOffset, kept.byteLength),
      0,
      kept.byteLength,
      HEADER_BYTES + 2 * written,
    )
    written += kept.length
    if (seen >= to) break
  }
  if (part.seconds !== undefined && written < to - from)
    throw new Error(`${recording} is shorter than ${to / SAMPLE_RATE} s`)
  await file.write(header(2 * written), 0, HEADER_BYTES, 0)
}

/** RIFF: one channel of 16-bit integers. */
function header(dataBytes: number): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.write('RIFF', 0)
  bytes.writeUInt32LE(HEADER_BYTES - 8 + dataBytes, 4)
  bytes.write('WAVEfmt ', 8)
  bytes.writeUInt32LE(16, 16)
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(1, 22)
  bytes.writeUInt32LE(SAMPLE_RATE, 24)
  bytes.writeUInt32LE(2 * SAMPLE_RATE, 28)
  bytes.writeUInt16LE(2, 32)
  bytes.writeUInt16LE(16, 34)
  bytes.write('data', 36)
  bytes.writeUInt32LE(dataBytes, 40)
  return bytes
}
