import { box, u32 } from './media.ts'

/** Big-endian, of 32 bits. */
function words(...values: readonly number[]): Buffer {
  return Buffer.concat(values.map(u32))
}

const UNITY = words(0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000)
/** AAC-LC, 16 kHz, mono. */
const ESDS = Buffer.from([
  0, 0, 0, 0, 3, 22, 0, 1, 0, 4, 17, 64, 21, 0, 0, 0, 0, 0, 250, 0, 0, 0, 250, 0, 5, 2, 20, 8, 6, 1, 2,
])

/** An MP4 of a few hundred bytes whose tables announce so many packets: FFmpeg makes an index of 24 bytes for each. */
export function mp4WithPackets(packets: number): Buffer {
  const entry = box('mp4a', words(0, 1, 0, 0, 0x1_0010, 0), words(16_000 * 0x1_0000), box('esds', ESDS))
  const tables = [
    box('stsd', words(0, 1), entry),
    box('stts', words(0, 1, packets, 1024)),
    box('stsc', words(0, 1, 1, packets, 1)),
    box('stsz', words(0, 1, packets)),
    box('stco', words(0, 1, 40)),
  ]
  const media = box(
    'mdia',
    box('mdhd', words(0, 0, 0, 16_000, 16_000, 0x55c4_0000)),
    box('hdlr', words(0, 0), Buffer.from('soun'), words(0, 0, 0), Buffer.alloc(1)),
    box('minf', box('smhd', words(0, 0)), box('stbl', ...tables)),
  )
  const track = box('trak', box('tkhd', words(7, 0, 0, 1, 0, 1000, 0, 0, 0, 0x100_0000), UNITY, words(0, 0)), media)
  const movie = box('mvhd', words(0, 0, 0, 1000, 1000, 0x1_0000, 0x100_0000, 0, 0), UNITY, words(0, 0, 0, 0, 0, 0, 2))
  return Buffer.concat([
    box('ftyp', Buffer.from('M4A '), words(0), Buffer.from('M4A isom')),
    box('mdat', Buffer.alloc(64)),
    box('moov', movie, track),
  ])
}
