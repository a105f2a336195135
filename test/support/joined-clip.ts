import { writeFile } from 'node:fs/promises'
import { decodeAudio } from '../../src/speech/audio/decode-audio.ts'
import { SAMPLE_RATE } from '../../src/speech/audio/log-mel.ts'
import { wav } from './media.ts'

/** Writes one recording of several, a WAV file, for a long one without a long file in the project. */
export async function writeJoined(path: string, recordings: readonly string[]): Promise<void> {
  const parts: Buffer[] = []
  for (const recording of recordings) {
    for await (const { buffer, byteOffset, byteLength } of decodeAudio(recording)) {
      // A copy: the samples' array is used again.
      parts.push(Buffer.from(Buffer.from(buffer, byteOffset, byteLength)))
    }
  }
  await writeFile(path, wav(Buffer.concat(parts), { sampleRate: SAMPLE_RATE }))
}
