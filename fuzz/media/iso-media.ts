import { ascii, be, repeated, attacks } from './lies.ts'
import type { Attack, Lies } from './lies.ts'

/** A box whose size may lie; one of 64 bits now and then. */
function box(lies: Lies, type: string, ...body: readonly Buffer[]): Buffer {
  const content = Buffer.concat(body)
  if (lies.chance(0.05)) return Buffer.concat([be(4, 1), ascii(type), lies.u64(content.length + 16), content])
  return Buffer.concat([lies.u32(content.length + 8), ascii(type), content])
}

/** A box with version and flags. */
function full(lies: Lies, type: string, flags: number, ...body: readonly Buffer[]): Buffer {
  return box(lies, type, lies.u8(0), be(3, flags), ...body)
}

/** A table whose count may have nothing to do with its rows. */
function table(lies: Lies, type: string, row: Buffer, rows = 1): Buffer {
  return full(lies, type, 0, lies.u32(rows), repeated(row, rows))
}

const fileType = (lies: Lies): Buffer => box(lies, 'ftyp', ascii('M4A '), be(4, 0), ascii('M4A mp42isom'))

const movieHeader = (lies: Lies): Buffer =>
  full(lies, 'mvhd', 0, be(8, 0), lies.u32(1000), lies.u32(3000), be(4, 0x1_0000), Buffer.alloc(76), be(4, 2))

const sampleEntry = (lies: Lies): Buffer =>
  box(
    lies,
    lies.pick(['mp4a', 'alac', 'samr', 'Opus', 'fLaC', 'lpcm', 'enca', 'tx3g', 'avc1']),
    ...[Buffer.alloc(6), be(2, 1), lies.u16(0), Buffer.alloc(6), lies.u16(2), lies.u16(16), be(4, 0)],
    ...[lies.u32(44_100), be(2, 0), elementaryStream(lies)],
  )

/** Descriptors inside each other, each with a length of its own. */
function elementaryStream(lies: Lies): Buffer {
  const descriptor = (tag: number, ...body: readonly Buffer[]): Buffer => {
    const content = Buffer.concat(body)
    return Buffer.concat([
      be(1, tag),
      lies.chance(0.1) ? ascii('\xff\xff\xff\x7f') : be(1, content.length % 128),
      content,
    ])
  }
  const specific = descriptor(5, lies.chance(0.3) ? lies.noise(8) : be(2, 0x1210))
  const decoder = descriptor(4, be(1, 0x40), be(1, 0x15), be(3, 0), lies.u32(64_000), lies.u32(64_000), specific)
  return full(lies, 'esds', 0, descriptor(3, be(2, 1), be(1, 0), decoder, descriptor(6, be(1, 2))))
}

function sampleTable(lies: Lies, description = full(lies, 'stsd', 0, lies.u32(1), sampleEntry(lies))): Buffer {
  return box(
    lies,
    'stbl',
    ...lies.some([
      description,
      table(lies, 'stts', Buffer.concat([lies.u32(130), lies.u32(1024)])),
      table(lies, 'stsc', Buffer.concat([lies.u32(1), lies.u32(130), lies.u32(1)])),
      full(lies, 'stsz', 0, lies.u32(0), lies.u32(1), lies.u32(20)),
      // The chunk may lie in the header itself.
      lies.chance(0.5) ? table(lies, 'stco', lies.u32(28)) : table(lies, 'co64', lies.u64(28)),
      table(lies, 'ctts', Buffer.concat([lies.u32(1), lies.u32(0)])),
      table(lies, 'stss', lies.u32(1)),
    ]),
  )
}

function track(lies: Lies, samples = sampleTable(lies)): Buffer {
  const edits = table(lies, 'elst', Buffer.concat([lies.u32(3000), lies.u32(0), be(4, 0x1_0000)]))
  return box(
    lies,
    'trak',
    full(lies, 'tkhd', 7, be(8, 0), lies.u32(1), be(4, 0), lies.u32(3000), Buffer.alloc(60)),
    box(lies, 'edts', edits),
    box(
      lies,
      'mdia',
      full(lies, 'mdhd', 0, be(8, 0), lies.u32(44_100), lies.u32(132_300), be(4, 0)),
      full(lies, 'hdlr', 0, be(4, 0), ascii(lies.pick(['soun', 'soun', 'vide', 'text'])), Buffer.alloc(12), be(1, 0)),
      box(lies, 'minf', full(lies, 'smhd', 0, be(4, 0)), samples),
    ),
  )
}

function tags(lies: Lies, times: number): Buffer {
  const data = full(lies, 'data', 1, be(4, 0), ascii('x\0y\0z'))
  const item = box(lies, lies.pick(['\xa9nam', 'covr', 'gnre', 'trkn', '----']), data)
  const items = box(lies, 'ilst', repeated(item, times))
  return box(lies, 'udta', full(lies, 'meta', 0, full(lies, 'hdlr', 0, Buffer.alloc(20), be(1, 0)), items))
}

const movie = (lies: Lies, ...more: readonly Buffer[]): Buffer =>
  box(lies, 'moov', movieHeader(lies), track(lies), ...more)

const samples = (lies: Lies): Buffer => box(lies, 'mdat', lies.noise(200))

/** A fragment whose samples take no bytes in its header, so that only their count says how many there are. */
function fragment(lies: Lies, count: bigint): Buffer {
  const flags = lies.pick([0, 1, 0x100, 0x200, 0xf01])
  const run = full(lies, 'trun', flags, be(4, count), lies.noise(lies.below(40)))
  const header = full(lies, 'tfhd', lies.pick([0, 0x20000, 0x38]), lies.u32(1), lies.noise(12))
  return box(
    lies,
    'moof',
    full(lies, 'mfhd', 0, lies.u32(1)),
    box(lies, 'traf', header, full(lies, 'tfdt', 0, lies.u64(0)), run),
  )
}

/** Containers inside each other, by doubling the head: each layer's size is right. */
function nested(types: readonly string[], depth: number, core: Buffer): Buffer {
  const heads: Buffer[] = []
  const whole = core.length + depth * 8
  for (let layer = 0; layer < depth; layer++) {
    heads.push(be(4, whole - layer * 8), ascii(types[layer % types.length] ?? 'moov'))
  }
  return Buffer.concat([...heads, core])
}

/** ISO base media: mp4, m4a, mov, 3gp. */
export const ISO_MEDIA: readonly Attack[] = attacks(
  'mp4',
  ['m4a', 'mp4', 'mov'],
  [
    { name: 'lies', build: (lies) => [fileType(lies), movie(lies, tags(lies, 2)), samples(lies)] },
    { name: 'movie-behind', build: (lies) => [fileType(lies), samples(lies), movie(lies)] },
    { name: 'fragment-run', build: (lies) => [fileType(lies), fragment(lies, lies.edge(32)), samples(lies)] },
    {
      name: 'fragments',
      build: (lies) => {
        const defaults = box(lies, 'mvex', full(lies, 'trex', 0, lies.u32(1), be(4, 1), lies.u32(1024), be(8, 0)))
        const flood = repeated(fragment(lies, lies.edge(32)), lies.flood(1, 2000))
        return [fileType(lies), movie(lies, defaults), flood]
      },
    },
    {
      name: 'descriptions',
      build: (lies) => {
        const entries = repeated(sampleEntry(lies), lies.flood(1, 2000))
        const description = full(lies, 'stsd', 0, be(4, lies.edge(32)), entries)
        return [fileType(lies), box(lies, 'moov', movieHeader(lies), track(lies, sampleTable(lies, description)))]
      },
    },
    {
      name: 'tables',
      build: (lies) => {
        const row = lies.noise(12)
        const type = lies.pick(['stts', 'stsc', 'stsz', 'stco', 'co64', 'ctts', 'stss', 'sgpd', 'sbgp', 'elst', 'saiz'])
        const hostile = full(lies, type, 0, be(4, lies.edge(32)), be(4, lies.edge(32)), repeated(row, lies.flood()))
        return [fileType(lies), box(lies, 'moov', movieHeader(lies), track(lies, box(lies, 'stbl', hostile)))]
      },
    },
    {
      name: 'nesting',
      build: (lies) => {
        const types = lies.pick([
          ['moov'],
          ['moov', 'trak'],
          ['moov', 'udta', 'meta'],
          ['moov', 'trak', 'mdia', 'minf', 'stbl'],
        ])
        return [fileType(lies), nested(types, lies.depth(), movie(lies))]
      },
    },
    {
      name: 'tracks',
      build: (lies) => [fileType(lies), movie(lies, repeated(track(lies), lies.flood(1, 500)))],
    },
    { name: 'tags', build: (lies) => [fileType(lies), movie(lies, tags(lies, lies.flood()))] },
    { name: 'empty-boxes', build: (lies) => [fileType(lies), repeated(box(lies, 'free'), lies.flood()), movie(lies)] },
    {
      name: 'index-back',
      build: (lies) => {
        const row = Buffer.concat([be(4, lies.edge(32)), lies.u32(1), be(4, 0)])
        const rows = lies.flood(1, 2000)
        const index = full(lies, 'sidx', 0, lies.u32(1), lies.u32(1000), be(8, lies.edge(64)), be(2, 0), lies.u16(rows))
        return [fileType(lies), Buffer.concat([index, repeated(row, rows)]), movie(lies)]
      },
    },
  ],
)
