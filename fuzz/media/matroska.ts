import { ascii, be, repeated, attacks } from './lies.ts'
import type { Attack, Lies } from './lies.ts'

const SEGMENT = 0x18538067
const SEEK_HEAD = 0x114d9b74
const INFO = 0x1549a966
const TRACKS = 0x1654ae6b
const CUES = 0x1c53bb6b
const CLUSTER = 0x1f43b675
const TAGS = 0x1254c367
const CHAPTERS = 0x1043a770
const ATTACHMENTS = 0x1941a469

/** The size of an element in the fewest bytes that hold it. */
function vint(value: number): Buffer {
  for (let bytes = 1; bytes < 8; bytes++) {
    if (value < 2 ** (7 * bytes) - 1) return be(bytes, BigInt(value) | (1n << BigInt(7 * bytes)))
  }
  return be(8, BigInt(value) | (1n << 56n))
}

/** "Unknown", the greatest there is, one beyond a double's integers, and one without a marker. */
const LYING_SIZES = ['ff', '01ffffffffffffff', '01fffffffffffffe', '0120000000000001', '00', '40ff', '1000000f']

function element(lies: Lies, id: number, ...body: readonly Buffer[]): Buffer {
  const content = Buffer.concat(body)
  const idBytes = Buffer.from(id.toString(16), 'hex')
  const isLie = lies.number(8, 42) !== 42n
  const size = isLie ? Buffer.from(lies.pick(LYING_SIZES), 'hex') : vint(content.length)
  return Buffer.concat([idBytes, size, content])
}

const unsigned = (lies: Lies, id: number, honest: number): Buffer => element(lies, id, lies.u32(honest))
const text = (lies: Lies, id: number, value: string): Buffer => element(lies, id, ascii(value))

const head = (lies: Lies): Buffer =>
  element(
    lies,
    0x1a45dfa3,
    ...[unsigned(lies, 0x4286, 1), unsigned(lies, 0x42f2, 4), unsigned(lies, 0x42f3, 8)],
    ...[text(lies, 0x4282, lies.pick(['webm', 'matroska'])), unsigned(lies, 0x4287, 4)],
  )

/** NaN, infinities, negative and tiny ones among them. */
function float(lies: Lies, id: number): Buffer {
  const bytes = lies.pick([
    '40a7700000000000',
    '7ff8000000000000',
    '7ff0000000000000',
    'fff0000000000000',
    '7f7fffff',
    '',
    '00',
  ])
  return element(lies, id, Buffer.from(bytes, 'hex'))
}

const info = (lies: Lies): Buffer =>
  element(lies, INFO, element(lies, 0x2ad7b1, lies.u32(1_000_000)), float(lies, 0x4489), text(lies, 0x4d80, 'muxer'))

function trackEntry(
  lies: Lies,
  codec = lies.pick(['A_OPUS', 'A_VORBIS', 'A_AAC', 'A_FLAC', 'A_MPEG/L3', 'V_VP9']),
): Buffer {
  const audio = element(lies, 0xe1, float(lies, 0xb5), unsigned(lies, 0x9f, 2), unsigned(lies, 0x6264, 16))
  const encoding = element(
    lies,
    0x6240,
    element(lies, 0x5034, unsigned(lies, 0x4254, 0), element(lies, 0x4255, lies.noise(4))),
  )
  return element(
    lies,
    0xae,
    ...[unsigned(lies, 0xd7, 1), unsigned(lies, 0x73c5, 1), unsigned(lies, 0x83, 2), text(lies, 0x86, codec)],
    ...[element(lies, 0x63a2, codecPrivate(lies)), element(lies, 0x56aa, lies.u64(6_500_000)), audio],
    ...(lies.chance(0.2) ? [element(lies, 0x6d80, encoding)] : []),
  )
}

function codecPrivate(lies: Lies): Buffer {
  if (lies.chance(0.5)) return Buffer.concat([ascii('OpusHead\x01\x02'), lies.noise(9)])
  // Xiph lacing: a count of packets, then lengths of runs of 255.
  return Buffer.concat([lies.u8(2), repeated(be(1, 255), lies.below(300)), lies.noise(30)])
}

const tracks = (lies: Lies): Buffer => element(lies, TRACKS, trackEntry(lies))

function seekHead(lies: Lies, times: number): Buffer {
  const entry = (id: number): Buffer =>
    element(lies, 0x4dbb, element(lies, 0x53ab, be(4, id)), element(lies, 0x53ac, be(8, lies.edge(64))))
  return element(lies, SEEK_HEAD, entry(CUES), repeated(entry(lies.pick([SEEK_HEAD, TAGS, INFO, TRACKS])), times))
}

/** A block with each kind of lacing, whose sizes may run backwards. */
function cluster(lies: Lies): Buffer {
  const lacing = lies.pick([0, 2, 4, 6])
  const block = element(lies, 0xa3, be(1, 0x81), lies.u16(0), be(1, 0x80 | lacing), lies.u8(3), lies.noise(60))
  const group = element(
    lies,
    0xa0,
    element(lies, 0xa1, be(1, 0x81), lies.u16(0), be(1, lacing), lies.noise(30)),
    unsigned(lies, 0x9b, 20),
  )
  return element(lies, CLUSTER, element(lies, 0xe7, lies.u64(0)), block, group)
}

const segment = (lies: Lies, ...body: readonly Buffer[]): Buffer =>
  Buffer.concat([head(lies), element(lies, SEGMENT, ...body)])

const tag = (lies: Lies, value: Buffer): Buffer =>
  element(
    lies,
    TAGS,
    element(lies, 0x7373, element(lies, 0x67c8, text(lies, 0x45a3, 'TITLE'), element(lies, 0x4487, value))),
  )

/** Masters inside each other, each with its right size. */
function nested(id: number, depth: number): Buffer {
  const idBytes = Buffer.from(id.toString(16), 'hex')
  const heads: Buffer[] = []
  let size = 0
  for (let layer = 0; layer < depth; layer++) {
    const header = Buffer.concat([idBytes, vint(size)])
    heads.push(header)
    size += header.length
  }
  return Buffer.concat(heads.toReversed())
}

/** Matroska and WebM. */
export const MATROSKA: readonly Attack[] = attacks(
  'mkv',
  ['mkv', 'webm'],
  [
    { name: 'lies', build: (lies) => segment(lies, seekHead(lies, 1), info(lies), tracks(lies), cluster(lies)) },
    { name: 'seek-beyond', build: (lies) => segment(lies, seekHead(lies, 1), info(lies)) },
    { name: 'seek-flood', build: (lies) => segment(lies, seekHead(lies, lies.flood()), info(lies), tracks(lies)) },
    {
      name: 'zero-text',
      build: (lies) => {
        const zeros = Buffer.concat([Buffer.alloc(lies.flood() * lies.pick([1, 1, 10])), ascii('\n')])
        return segment(
          lies,
          element(lies, INFO, element(lies, lies.pick([0x7ba9, 0x4d80, 0x5741]), zeros)),
          tracks(lies),
        )
      },
    },
    {
      name: 'zero-tags',
      build: (lies) => segment(lies, info(lies), tag(lies, Buffer.alloc(lies.flood())), tracks(lies)),
    },
    {
      name: 'nesting',
      build: (lies) =>
        segment(lies, info(lies), nested(lies.pick([SEGMENT, 0x67c8, 0xb6, 0x6d80, 0xa0]), lies.depth()), tracks(lies)),
    },
    {
      name: 'tracks',
      build: (lies) => segment(lies, info(lies), element(lies, TRACKS, repeated(trackEntry(lies), lies.flood(2)))),
    },
    {
      name: 'clusters',
      build: (lies) => segment(lies, info(lies), tracks(lies), repeated(cluster(lies), lies.flood(4))),
    },
    {
      name: 'voids',
      build: (lies) => segment(lies, repeated(element(lies, 0xec), lies.flood()), info(lies), tracks(lies)),
    },
    {
      name: 'cues',
      build: (lies) => {
        const place = element(lies, 0xb7, unsigned(lies, 0xf7, 1), element(lies, 0xf1, be(8, lies.edge(64))))
        const point = element(lies, 0xbb, element(lies, 0xb3, be(8, lies.edge(64))), place)
        return segment(
          lies,
          seekHead(lies, 1),
          info(lies),
          tracks(lies),
          element(lies, CUES, repeated(point, lies.flood(2))),
        )
      },
    },
    {
      name: 'chapters',
      build: (lies) =>
        segment(
          lies,
          info(lies),
          element(lies, CHAPTERS, element(lies, 0x45b9, nested(0xb6, lies.depth()))),
          tracks(lies),
        ),
    },
    {
      name: 'attachments',
      build: (lies) => {
        const file = element(
          lies,
          0x61a7,
          text(lies, 0x466e, 'a'),
          text(lies, 0x4660, 'image/png'),
          element(lies, 0x465c, lies.noise(20)),
        )
        return segment(lies, info(lies), element(lies, ATTACHMENTS, repeated(file, lies.flood(4))), tracks(lies))
      },
    },
    { name: 'segments', build: (lies) => repeated(segment(lies, info(lies)), lies.flood(4)) },
  ],
)
