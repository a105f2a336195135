import { ascii, be, repeated, attacks } from './lies.ts'
import type { Attack, Lies } from './lies.ts'
import { vorbisComments } from './ogg.ts'

function block(lies: Lies, type: number, body: Buffer, isLast = false): Buffer {
  return Buffer.concat([be(1, type | (isLast ? 0x80 : 0)), lies.u24(body.length), body])
}

/** Rate, channels, bits and the count of samples share eight bytes. */
function streamInfo(lies: Lies): Buffer {
  const packed = (lies.number(20, 16_000) << 44n) | (1n << 41n) | (15n << 36n) | lies.number(36, 48_000)
  return block(
    lies,
    0,
    Buffer.concat([lies.u16(4096), lies.u16(4096), lies.u24(14), lies.u24(9000), be(8, packed), Buffer.alloc(16)]),
  )
}

const FRAME_HEAD = Buffer.from('fff8c9080000', 'hex')

const file = (lies: Lies, ...blocks: readonly Buffer[]): Buffer =>
  Buffer.concat([
    ascii('fLaC'),
    streamInfo(lies),
    ...blocks,
    block(lies, 1, Buffer.alloc(8), true),
    FRAME_HEAD,
    lies.noise(200),
  ])

function pictureBlock(lies: Lies): Buffer {
  return block(
    lies,
    6,
    Buffer.concat([
      lies.u32(3),
      lies.u32(9),
      ascii('image/png'),
      lies.u32(0),
      ...[1, 1, 24, 0, 20].map((value) => lies.u32(value)),
      lies.noise(20),
    ]),
  )
}

function cueSheet(lies: Lies, tracks: number): Buffer {
  const track = Buffer.concat([
    be(8, lies.edge(64)),
    be(1, 1),
    Buffer.alloc(26),
    lies.u8(1),
    be(8, 0),
    be(1, 1),
    Buffer.alloc(3),
  ])
  return block(
    lies,
    5,
    Buffer.concat([
      Buffer.alloc(128),
      be(8, lies.edge(64)),
      Buffer.alloc(259),
      lies.u8(tracks),
      repeated(track, tracks),
    ]),
  )
}

export const FLAC: readonly Attack[] = attacks(
  'flac',
  ['flac'],
  [
    { name: 'lies', build: (lies) => file(lies, block(lies, 4, vorbisComments(lies, 2)), pictureBlock(lies)) },
    {
      name: 'huge-blocks',
      build: (lies) =>
        file(lies, Buffer.concat([be(1, lies.pick([1, 2, 3, 4, 5, 6, 126])), be(3, 0xff_ffff), lies.noise(400)])),
    },
    {
      name: 'empty-blocks',
      build: (lies) =>
        file(lies, repeated(block(lies, lies.pick([0, 1, 2, 3, 4, 5, 6, 127]), Buffer.alloc(0)), lies.flood())),
    },
    {
      name: 'comments',
      build: (lies) =>
        file(
          lies,
          block(
            lies,
            4,
            vorbisComments(lies, lies.flood(), lies.pick(['A=', 'TITLE=b', 'METADATA_BLOCK_PICTURE=AAAA'])),
          ),
        ),
    },
    {
      name: 'comment-lengths',
      build: (lies) =>
        file(lies, block(lies, 4, Buffer.concat([be(4, lies.edge(32)), be(4, lies.edge(32)), lies.noise(60)]))),
    },
    { name: 'pictures', build: (lies) => file(lies, repeated(pictureBlock(lies), lies.flood(4))) },
    {
      name: 'seek-table',
      build: (lies) =>
        file(
          lies,
          block(
            lies,
            3,
            repeated(Buffer.concat([be(8, lies.edge(64)), be(8, lies.edge(64)), be(2, 4096)]), lies.flood()),
          ),
        ),
    },
    { name: 'cue-sheet', build: (lies) => file(lies, cueSheet(lies, lies.below(200))) },
    { name: 'sync-flood', build: (lies) => file(lies, repeated(FRAME_HEAD, lies.flood())) },
  ],
)
