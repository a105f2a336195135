import { deflateSync } from 'node:zlib'
import { ascii, be, le, repeated, attacks } from './lies.ts'
import type { Attack, Lies } from './lies.ts'

/** 128 kbit/s, 44.1 kHz, stereo: 417 bytes. */
const FRAME = Buffer.concat([Buffer.from('fffb9000', 'hex'), Buffer.alloc(413)])

/** Seven bits a byte. */
function synchsafe(size: bigint): Buffer {
  return Buffer.from([21n, 14n, 7n, 0n].map((shift) => Number((size >> shift) & 0x7fn)))
}

function tag(lies: Lies, version: number, frames: Buffer): Buffer {
  const flags = lies.pick([0, 0, 0, 0x40, 0x80, 0xc0, 0x10])
  const extended = (flags & 0x40) === 0 ? Buffer.alloc(0) : Buffer.concat([lies.u32(6), lies.noise(6)])
  const size = lies.number(28, extended.length + frames.length)
  return Buffer.concat([ascii('ID3'), be(1, version), be(1, 0), be(1, flags), synchsafe(size), extended, frames])
}

function frame(lies: Lies, version: number, id: string, body: Buffer): Buffer {
  if (version === 2) return Buffer.concat([ascii(id.slice(0, 3)), lies.u24(body.length), body])
  const size = lies.number(32, body.length)
  const flags = lies.pick([0, 0, 0, 1, 2, 8, 12, 0x80c0])
  const content = (flags & 8) === 0 ? body : Buffer.concat([lies.u32(body.length), deflateSync(body)])
  return Buffer.concat([ascii(id), version === 4 ? synchsafe(size) : be(4, size), be(2, flags), content])
}

const tagged = (lies: Lies, ...frames: readonly (readonly [string, Buffer])[]): Buffer => {
  const version = lies.pick([2, 3, 4, 4])
  const made = frames.map(([id, body]) => frame(lies, version, id, body))
  return Buffer.concat([tag(lies, version, Buffer.concat(made)), sound(lies)])
}

/** Frames, the first of them with a count of all that may lie. */
function sound(lies: Lies): Buffer {
  const xing = Buffer.concat([
    ascii(lies.pick(['Xing', 'Info'])),
    be(4, 15),
    lies.u32(30),
    lies.u32(30 * 417),
    lies.noise(100),
    lies.u32(78),
    ascii('LAME3.100'),
    lies.noise(20),
  ])
  const vbri = Buffer.concat([
    ascii('VBRI'),
    lies.u16(1),
    lies.u16(0),
    lies.u16(75),
    lies.u32(12_510),
    lies.u32(30),
    ...[100, 1, 4, 1].map((value) => lies.u16(value)),
    lies.noise(40),
  ])
  const [at, header] = lies.pick([[36, xing] as const, [36, vbri] as const])
  const first = Buffer.from(FRAME)
  header.copy(first, at)
  return Buffer.concat([first, repeated(FRAME, 30)])
}

/** Texts with many empty or equal or different values, as in TCON, TMCL and TSRC. */
function texts(lies: Lies): Buffer {
  const times = lies.flood() * lies.pick([1, 1, 2])
  const encoding = lies.pick([0, 0, 1, 2, 3])
  const value = lies.pick(['\0', '\0a', '(17)', '(', 'a\0b\0', '\xff\xfe'])
  if (lies.chance(0.3)) return ascii(`\0${Array.from({ length: times }, (_, index) => index.toString(36)).join('\0')}`)
  return Buffer.concat([be(1, encoding), repeated(ascii(value), times)])
}

function picture(lies: Lies, bytes: number): Buffer {
  return Buffer.concat([ascii('\0image/png\0\x03\0'), Buffer.alloc(bytes, lies.noise(64))])
}

function apeTag(lies: Lies, items: number): Buffer {
  const item = Buffer.concat([lies.le32(3), lies.le32(0), ascii('Title\0abc')])
  const size = items * item.length + 32
  const edge = (flags: number): Buffer =>
    Buffer.concat([
      ascii('APETAGEX'),
      lies.le32(2000),
      lies.le32(size),
      lies.le32(items),
      le(4, flags),
      Buffer.alloc(8),
    ])
  return Buffer.concat([edge(0xa000_0000), repeated(item, items), edge(0x8000_0000)])
}

/** MPEG audio, with what stands before and behind it. */
export const MPEG_AUDIO: readonly Attack[] = attacks(
  'mp3',
  ['mp3'],
  [
    {
      name: 'lies',
      build: (lies) => tagged(lies, ['TIT2', ascii('\0a')], ['TLEN', ascii('\x003000')], ['APIC', picture(lies, 200)]),
    },
    {
      name: 'texts',
      build: (lies) => tagged(lies, [lies.pick(['TCON', 'TMCL', 'TSRC', 'TIPL', 'TPE1', 'TXXX', 'IPLS']), texts(lies)]),
    },
    {
      name: 'frames',
      build: (lies) => {
        const version = lies.pick([2, 3, 4])
        const one = frame(
          lies,
          version,
          lies.pick(['TXXX', 'COMM', 'PRIV', 'GEOB', 'CHAP', 'POPM', 'UFID']),
          lies.noise(lies.below(12)),
        )
        return Buffer.concat([tag(lies, version, repeated(one, lies.flood())), sound(lies)])
      },
    },
    {
      name: 'chapters',
      build: (lies) => {
        const nest = (depth: number): Buffer =>
          depth === 0
            ? frame(lies, 4, 'TIT2', ascii('\0a'))
            : frame(lies, 4, 'CHAP', Buffer.concat([ascii('c\0'), Buffer.alloc(16), nest(depth - 1)]))
        return Buffer.concat([tag(lies, 4, nest(Math.min(1000, lies.depth()))), sound(lies)])
      },
    },
    { name: 'picture', build: (lies) => tagged(lies, ['APIC', picture(lies, lies.flood() * lies.pick([1, 10, 100]))]) },
    {
      name: 'many-tags',
      build: (lies) => Buffer.concat([repeated(tag(lies, 3, lies.noise(lies.below(20))), lies.flood()), sound(lies)]),
    },
    {
      name: 'sync-flood',
      build: (lies) =>
        repeated(
          lies.pick([ascii('\xff'), ascii('\xff\xfb'), Buffer.from('fffb9000', 'hex'), ascii('\xff\xe0\0')]),
          lies.flood() * 10,
        ),
    },
    {
      // A bit rate of "free", and the one that is none.
      name: 'free-format',
      build: (lies) =>
        repeated(
          Buffer.concat([
            Buffer.from(lies.pick(['fffb0000', 'fffbf000', 'fff30000', 'fffd0c00']), 'hex'),
            lies.noise(8),
          ]),
          lies.flood(2),
        ),
    },
    {
      name: 'tags-behind',
      build: (lies) =>
        Buffer.concat([
          sound(lies),
          apeTag(lies, lies.flood(2)),
          ascii('LYRICSBEGIN'),
          lies.noise(40),
          ascii('999999LYRICS200TAG'),
          Buffer.alloc(125),
        ]),
    },
    { name: 'ape-first', build: (lies) => Buffer.concat([apeTag(lies, lies.flood(1, 2000)), sound(lies)]) },
  ],
)
