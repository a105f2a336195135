import { writeFile } from 'node:fs/promises'
import { decodeAudio } from '../../src/whisper/audio/decode-audio.ts'
import { SAMPLE_RATE } from '../../src/whisper/audio/log-mel.ts'

const BYTES_PER_SAMPLE = 2

/** Writes one recording of several, a WAV file, for a long one without a long file in the project. */
export async function writeJoined(path: string, recordings: readonly string[]): Promise<void> {
  const parts: Buffer[] = []
  for (const recording of recordings) {
    for await (const { buffer, byteOffset, byteLength } of decodeAudio(recording)) {
      // A copy: the samples' array is used again.
      parts.push(Buffer.from(Buffer.from(buffer, byteOffset, byteLength)))
    }
  }
  const samples = Buffer.concat(parts)
  await writeFile(path, Buffer.concat([waveHeader(samples.length), samples]))
}

/** Of 16-bit mono samples. */
function waveHeader(dataBytes: number): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + dataBytes, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(SAMPLE_RATE, 24)
  header.writeUInt32LE(SAMPLE_RATE * BYTES_PER_SAMPLE, 28)
  header.writeUInt16LE(BYTES_PER_SAMPLE, 32)
  header.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34)
  header.write('data', 36)
  header.writeUInt32LE(dataBytes, 40)
  return header
}
