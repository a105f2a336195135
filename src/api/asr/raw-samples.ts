/** What whisper-asr-webservice takes for `encode=false`: samples of 16 kHz, mono, 16 bits, little-endian, without any header. */
const SAMPLE_RATE = 16_000
const BYTES_PER_SAMPLE = 2
/** The sizes of a WAV whose end is not known when its header is written: those who read it go on to the file's end. */
const UNKNOWN_SIZE = 0xff_ff_ff_ff
const HEADER_BYTES = 44
const RIFF = 'RIFF'

/**
 * Bare samples as a WAV. What is one already stays as it is: its sender has not read what `encode=false` means.
 * @param maxSeconds what is behind it is left out
 */
export async function* asWav(bytes: AsyncIterable<Uint8Array>, maxSeconds = Infinity): AsyncGenerator<Uint8Array> {
  let left = maxSeconds * SAMPLE_RATE * BYTES_PER_SAMPLE
  let begin: Uint8Array | undefined = new Uint8Array()
  let isWav = false
  for await (const chunk of bytes) {
    let samples = chunk
    if (begin !== undefined) {
      begin = Buffer.concat([begin, chunk])
      if (begin.length < RIFF.length) continue
      samples = begin
      begin = undefined
      isWav = Buffer.from(samples).toString('latin1', 0, RIFF.length) === RIFF
      if (!isWav) yield header()
    }
    if (isWav) {
      yield samples
      continue
    }
    // The rest is read all the same, so that its sender can be answered.
    if (left <= 0) continue
    yield samples.subarray(0, left)
    left -= samples.length
  }
}

function header(): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.write('RIFF', 0, 'latin1')
  bytes.writeUInt32LE(UNKNOWN_SIZE, 4)
  bytes.write('WAVEfmt ', 8, 'latin1')
  bytes.writeUInt32LE(16, 16)
  // PCM, one channel.
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(1, 22)
  bytes.writeUInt32LE(SAMPLE_RATE, 24)
  bytes.writeUInt32LE(SAMPLE_RATE * BYTES_PER_SAMPLE, 28)
  bytes.writeUInt16LE(BYTES_PER_SAMPLE, 32)
  bytes.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34)
  bytes.write('data', 36, 'latin1')
  bytes.writeUInt32LE(UNKNOWN_SIZE, 40)
  return bytes
}
