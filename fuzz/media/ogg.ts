import { ascii, be, le, repeated, attacks } from './lies.ts'
import type { Attack, Lies } from './lies.ts'

const POLYNOMIAL = 0x04c1_1db7
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24
  for (let bit = 0; bit < 8; bit++) sum = sum < 0 ? (sum << 1) ^ POLYNOMIAL : sum << 1
  return sum
})

/** Ogg's own: parsers drop a page whose sum is wrong. */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (const byte of bytes) sum = (sum << 8) ^ (CRC[((sum >>> 24) ^ byte) & 0xff] ?? 0)
  return sum >>> 0
}

interface PageFields {
  readonly flags: number
  readonly granule: bigint
  readonly serial: number
  readonly sequence: number
  /** Lengths of segments; as the body has it when they are not given. */
  readonly segments?: readonly number[]
}

/** One page of up to 255 × 255 bytes, with a right sum. */
function page(body: Buffer, { flags, granule, serial, sequence, segments }: PageFields): Buffer {
  const whole = Math.floor(body.length / 255)
  const lacing = segments ?? [...Array.from({ length: whole }, () => 255), body.length % 255]
  const fixed = [ascii('OggS'), be(1, 0), be(1, flags), le(8, granule), le(4, serial), le(4, sequence), le(4, 0)]
  const bytes = Buffer.concat([...fixed, be(1, lacing.length), Buffer.from(lacing), body])
  bytes.writeUInt32LE(checksum(bytes), 22)
  return bytes
}

const OPUS = (lies: Lies): Buffer =>
  Buffer.concat([
    ascii('OpusHead'),
    lies.u8(1),
    lies.u8(2),
    lies.le16(312),
    lies.le32(48_000),
    lies.le16(0),
    lies.u8(0),
    lies.noise(lies.below(20)),
  ])

const VORBIS = (lies: Lies): Buffer =>
  Buffer.concat([
    ascii('\x01vorbis'),
    le(4, 0),
    lies.u8(2),
    lies.le32(44_100),
    le(4, 0),
    lies.le32(128_000),
    le(4, 0),
    lies.u8(0xb8),
    be(1, 1),
  ])

const SPEEX = (lies: Lies): Buffer =>
  Buffer.concat([
    ascii('Speex   1.2'.padEnd(28, '\0')),
    lies.le32(1),
    lies.le32(80),
    lies.le32(16_000),
    ...[1, 4, 1, 28_000, 320, 0, 1].map((value) => lies.le32(value)),
    le(8, 0),
  ])

const FLAC = (lies: Lies): Buffer =>
  Buffer.concat([ascii('\x7fFLAC\x01\x00'), lies.u16(1), ascii('fLaC'), be(1, 0), lies.u24(34), lies.noise(34)])

const SKELETON = (lies: Lies): Buffer => Buffer.concat([ascii('fishead\0'), lies.le16(4), lies.le16(0), lies.noise(60)])

const HEADS = [OPUS, OPUS, VORBIS, SPEEX, FLAC, SKELETON]

/** Comments whose count and lengths may be those of another file. */
export function vorbisComments(lies: Lies, times: number, value = 'TITLE=a'): Buffer {
  const one = Buffer.concat([lies.le32(value.length), ascii(value)])
  return Buffer.concat([lies.le32(5), ascii('muxer'), lies.le32(times), repeated(one, times)])
}

const comments = (lies: Lies, times: number): Buffer =>
  Buffer.concat([ascii(lies.pick(['OpusTags', '\x03vorbis'])), vorbisComments(lies, times), be(1, 1)])

/** A stream's pages, numbered; packets longer than a page go on in the next one. */
function stream(lies: Lies, packets: readonly Buffer[], serial = 7): Buffer {
  const pages: Buffer[] = []
  for (const [index, packet] of packets.entries()) {
    for (let at = 0; at === 0 || at < packet.length; at += 255 * 255) {
      const flags = (index === 0 ? 2 : 0) | (at > 0 ? 1 : 0) | Number(lies.number(8, 0) & 4n)
      const body = packet.subarray(at, at + 255 * 255)
      const isWhole = body.length < 255 * 255
      const segments = isWhole ? {} : { segments: Array.from({ length: 255 }, () => 255) }
      pages.push(
        page(body, {
          flags,
          serial,
          sequence: Number(lies.number(32, pages.length)),
          granule: lies.number(64, index * 960),
          ...segments,
        }),
      )
    }
  }
  return Buffer.concat(pages)
}

const opening = (lies: Lies): readonly Buffer[] => [lies.pick(HEADS)(lies), comments(lies, 1)]

/** Ogg with Opus, Vorbis, Speex, FLAC and Skeleton. */
export const OGG: readonly Attack[] = attacks(
  'ogg',
  ['ogg', 'opus'],
  [
    { name: 'lies', build: (lies) => stream(lies, [...opening(lies), lies.noise(60), lies.noise(60)]) },
    {
      // A comment that goes on from page to page: quadratic where each page is joined to what was there.
      name: 'continued-pages',
      build: (lies) => {
        const first = stream(lies, [lies.pick(HEADS)(lies)])
        const more = page(lies.noise(lies.pick([1, 255])), {
          flags: 1,
          granule: -1n,
          serial: 7,
          sequence: 1,
          segments: [255],
        })
        return Buffer.concat([first, repeated(more, lies.flood(2))])
      },
    },
    {
      name: 'empty-pages',
      build: (lies) => {
        const empty = page(Buffer.alloc(0), { flags: 0, granule: lies.edge(64), serial: 7, sequence: 2, segments: [] })
        return Buffer.concat([stream(lies, opening(lies)), repeated(empty, lies.flood())])
      },
    },
    {
      name: 'streams',
      build: (lies) => {
        const serials = Array.from({ length: lies.flood(1, 2000) }, (_, serial) => stream(lies, opening(lies), serial))
        return Buffer.concat(serials)
      },
    },
    {
      name: 'comments',
      build: (lies) => stream(lies, [lies.pick(HEADS)(lies), comments(lies, lies.flood()), lies.noise(60)]),
    },
    {
      name: 'comment-count',
      build: (lies) => {
        const hostile = Buffer.concat([
          ascii('OpusTags'),
          le(4, lies.edge(32)),
          ascii('x'),
          le(4, lies.edge(32)),
          lies.noise(40),
        ])
        return stream(lies, [OPUS(lies), hostile, lies.noise(60)])
      },
    },
    {
      name: 'granules',
      build: (lies) => {
        const pages = Array.from({ length: 20 }, (_, sequence) =>
          page(lies.noise(50), {
            flags: sequence === 19 ? 4 : 0,
            granule: lies.edge(64),
            serial: 7,
            sequence: sequence + 2,
          }),
        )
        return Buffer.concat([stream(lies, opening(lies)), ...pages])
      },
    },
    {
      name: 'capture-flood',
      build: (lies) => Buffer.concat([stream(lies, opening(lies)), repeated(ascii('OggSOgg'), lies.flood())]),
    },
  ],
)
