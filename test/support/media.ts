/** Writes and hurts small media files for tests. */
import { randomOf } from './random.ts'

export interface WavOptions {
  readonly sampleRate?: number
  readonly channels?: number
  readonly bits?: 8 | 16 | 32
  /** What its header says of the data's bytes; as many as there are unless it is said. */
  readonly announcedBytes?: number
}

/** @param data interleaved samples, as they lie in the file */
export function wav(data: Uint8Array, options: WavOptions = {}): Buffer {
  const { sampleRate = 16_000, channels = 1, bits = 16, announcedBytes = data.length } = options
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE((36 + announcedBytes) % 2 ** 32, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(channels, 22)
  header.writeUInt32LE(sampleRate, 24)
  header.writeUInt32LE((sampleRate * channels * bits) / 8, 28)
  header.writeUInt16LE((channels * bits) / 8, 32)
  header.writeUInt16LE(bits, 34)
  header.write('data', 36)
  header.writeUInt32LE(announcedBytes, 40)
  return Buffer.concat([header, data])
}

/** The samples of a 16-bit WAV with the usual header of 44 bytes. */
export function samplesOf(file: Buffer): Int16Array {
  return new Int16Array(new Uint8Array(file.subarray(44)).buffer)
}

/** @param channelOf what each channel makes of a sample */
export function interleaved(samples: Int16Array, channelOf: readonly ((sample: number) => number)[]): Uint8Array {
  const all = new Int16Array(samples.length * channelOf.length)
  for (const [at, sample] of samples.entries()) {
    for (const [channel, of] of channelOf.entries()) all[at * channelOf.length + channel] = of(sample)
  }
  return new Uint8Array(all.buffer)
}

/** A copy in which these bytes, given as shares of the whole, are overwritten by noise, which is always the same. */
export function overwritten(file: Buffer, from: number, to: number): Buffer {
  const hurt = Buffer.from(file)
  const random = randomOf(1)
  for (let at = Math.floor(from * file.length); at < Math.floor(to * file.length); at++) hurt[at] = 256 * random()
  return hurt
}

/** An MP4's box of boxes or bytes. */
export function box(type: string, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content)
  return Buffer.concat([u32(bytes.length + 8), Buffer.from(type, 'latin1'), bytes])
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** An element of a WebM file, as far as tests look for them: those of a cluster, and what holds clusters. */
interface Element {
  readonly id: number
  readonly at: number
  readonly content: number
  readonly end: number
}

const SEGMENT = 0x18_53_80_67
const CLUSTER = 0x1f_43_b6_75
const CLUSTER_TIME = 0xe7
const SIMPLE_BLOCK = 0xa3
const VOID = 0xec

/** A copy whose clusters that begin later than `fromMs` come `byMs` later. */
export function withClustersLater(webm: Buffer, fromMs: number, byMs: number): Buffer {
  const later = Buffer.from(webm)
  for (const cluster of clusters(webm)) {
    const time = elements(webm, cluster.content, cluster.end).find(({ id }) => id === CLUSTER_TIME)
    if (time === undefined) continue
    const ms = webm.readUIntBE(time.content, time.end - time.content)
    if (ms > fromMs) later.writeUIntBE(ms + byMs, time.content, time.end - time.content)
  }
  return later
}

/** A copy without the blocks between two times, as an encoder leaves them out in a pause. */
export function withoutBlocks(webm: Buffer, fromMs: number, toMs: number): Buffer {
  const left = Buffer.from(webm)
  for (const cluster of clusters(webm)) {
    let clusterMs = 0
    for (const { id, at, content, end } of elements(webm, cluster.content, cluster.end)) {
      if (id === CLUSTER_TIME) clusterMs = webm.readUIntBE(content, end - content)
      if (id !== SIMPLE_BLOCK) continue
      // The track's number takes one byte here, then comes the time in the cluster.
      const ms = clusterMs + webm.readInt16BE(content + 1)
      if (ms >= fromMs && ms < toMs) left[at] = VOID
    }
  }
  return left
}

function clusters(webm: Buffer): readonly Element[] {
  const segment = elements(webm, 0, webm.length).find(({ id }) => id === SEGMENT)
  if (segment === undefined) throw new Error('no Segment')
  return elements(webm, segment.content, segment.end).filter(({ id }) => id === CLUSTER)
}

function elements(webm: Buffer, from: number, end: number): readonly Element[] {
  const found: Element[] = []
  for (let at = from; at < end;) {
    const idLength = Math.clz32(webm[at] ?? 0) - 23
    const sizeAt = at + idLength
    const sizeLength = Math.clz32(webm[sizeAt] ?? 0) - 23
    const size = [...webm.subarray(sizeAt, sizeAt + sizeLength)].reduce(
      (sum, byte, index) => sum * 256 + (index === 0 ? byte & (0xff >> sizeLength) : byte),
      0,
    )
    const content = sizeAt + sizeLength
    const last = Math.min(content + size, end)
    found.push({ id: webm.readUIntBE(at, idLength), at, content, end: last })
    at = last
  }
  return found
}
