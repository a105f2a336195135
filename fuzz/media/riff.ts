import { ascii, be, le, repeated, attacks } from './lies.ts'
import type { Attack, Lies } from './lies.ts'

function chunk(lies: Lies, id: string, ...body: readonly Buffer[]): Buffer {
  const content = Buffer.concat(body)
  return Buffer.concat([ascii(id), lies.le32(content.length), content, Buffer.alloc(content.length % 2)])
}

function format(lies: Lies): Buffer {
  const tag = lies.pick([1, 1, 1, 3, 6, 7, 2, 0x11, 0x31, 0x50, 0x55, 0x161, 0xfffe, 0])
  const extension =
    tag === 0xfffe ? [le(2, 22), lies.le16(16), lies.le32(3), lies.le16(1), lies.noise(14)] : [lies.le16(0)]
  const fields = [le(2, tag), lies.le16(1), lies.le32(16_000), lies.le32(32_000), lies.le16(2), lies.le16(16)]
  return chunk(lies, 'fmt ', ...fields, ...extension)
}

const data = (lies: Lies): Buffer => chunk(lies, 'data', lies.noise(400))

function form(lies: Lies, ...chunks: readonly Buffer[]): Buffer {
  const body = Buffer.concat(chunks)
  const isLarge = lies.chance(0.2)
  const large = chunk(lies, 'ds64', lies.le64(body.length + 4), lies.le64(400), lies.le64(200), lies.le32(0))
  const id = isLarge ? lies.pick(['RF64', 'BW64']) : lies.pick(['RIFF', 'RIFF', 'RIFF', 'RIFX'])
  const size = isLarge ? le(4, 0xffff_ffff) : lies.le32(body.length + 4)
  return Buffer.concat([ascii(id), size, ascii('WAVE'), isLarge ? large : Buffer.alloc(0), body])
}

/** Lists inside each other, sizes right. */
function nested(depth: number): Buffer {
  const heads = Array.from({ length: depth }, (_, layer) =>
    Buffer.concat([ascii('LIST'), le(4, (depth - layer) * 12 - 8), ascii('INFO')]),
  )
  return Buffer.concat(heads)
}

/** Wave64 has identifiers of 16 bytes, and sizes of 64 bits that count the head. */
function wave64(lies: Lies): Buffer {
  const tail = Buffer.from('f3acd3118cd100c04f8edb8a', 'hex')
  const part = (id: string, body: Buffer): Buffer => Buffer.concat([ascii(id), tail, lies.le64(body.length + 24), body])
  const fields = Buffer.concat([
    le(2, 1),
    lies.le16(1),
    lies.le32(16_000),
    lies.le32(32_000),
    lies.le16(2),
    lies.le16(16),
  ])
  const root = Buffer.from('726966662e91cf11a5d628db04c10000', 'hex')
  return Buffer.concat([root, lies.le64(600), ascii('wave'), tail, part('fmt ', fields), part('data', lies.noise(400))])
}

/** RIFF's wave, RF64 and Wave64. */
export const RIFF: readonly Attack[] = attacks(
  'wav',
  ['wav'],
  [
    { name: 'lies', build: (lies) => form(lies, format(lies), chunk(lies, 'fact', lies.le32(200)), data(lies)) },
    { name: 'sizes', build: (lies) => form(lies, format(lies), ascii('data'), le(4, lies.edge(32)), lies.noise(400)) },
    {
      name: 'empty-chunks',
      build: (lies) => form(lies, format(lies), repeated(chunk(lies, 'JUNK'), lies.flood()), data(lies)),
    },
    { name: 'formats', build: (lies) => form(lies, repeated(format(lies), lies.flood(4)), data(lies)) },
    { name: 'nesting', build: (lies) => form(lies, format(lies), nested(lies.depth()), data(lies)) },
    {
      name: 'infos',
      build: (lies) =>
        form(
          lies,
          format(lies),
          chunk(lies, 'LIST', ascii('INFO'), repeated(chunk(lies, 'INAM', ascii('a\0')), lies.flood())),
          data(lies),
        ),
    },
    {
      name: 'large-table',
      build: (lies) => {
        const rows = repeated(Buffer.concat([ascii('data'), le(8, lies.edge(64))]), lies.flood(4))
        const sizes = Buffer.concat([
          le(8, lies.edge(64)),
          le(8, lies.edge(64)),
          le(8, lies.edge(64)),
          le(4, lies.edge(32)),
          rows,
        ])
        return Buffer.concat([
          ascii('RF64'),
          le(4, 0xffff_ffff),
          ascii('WAVE'),
          chunk(lies, 'ds64', sizes),
          format(lies),
          data(lies),
        ])
      },
    },
    {
      name: 'cues',
      build: (lies) =>
        form(
          lies,
          format(lies),
          chunk(lies, lies.pick(['cue ', 'smpl', 'bext', 'iXML', 'id3 ']), le(4, lies.edge(32)), lies.noise(600)),
          data(lies),
        ),
    },
    { name: 'wave64', build: wave64 },
    {
      name: 'data-flood',
      build: (lies) => form(lies, format(lies), repeated(chunk(lies, 'data', be(2, 0)), lies.flood())),
    },
  ],
)
