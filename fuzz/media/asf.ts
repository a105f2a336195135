import { ascii, le, repeated, attacks } from './lies.ts'
import type { Attack, Lies } from './lies.ts'

const HEADER = '3026b2758e66cf11a6d900aa0062ce6c'
const PROPERTIES = 'a1dcab8c47a9cf118ee400c00c205365'
const STREAM = '9107dcb7b7a9cf118ee600c00c205365'
const AUDIO = '409e69f84d5bcf11a8fd00805f5c442b'
const EXTENSION = 'b503bf5f2ea9cf118ee300c00c205365'
const EXTENDED_CONTENT = '40a4d0d207e3d21197f000a0c95ea850'
const DATA = '3626b2758e66cf11a6d900aa0062ce6c'

/** An object whose size counts its head of 24 bytes: smaller than that, a parser that follows it stands still or goes back. */
function object(lies: Lies, id: string, ...body: readonly Buffer[]): Buffer {
  const content = Buffer.concat(body)
  return Buffer.concat([Buffer.from(id, 'hex'), lies.le64(content.length + 24), content])
}

const properties = (lies: Lies): Buffer =>
  object(
    lies,
    PROPERTIES,
    Buffer.alloc(16),
    lies.le64(5000),
    Buffer.alloc(8),
    lies.le64(10),
    lies.le64(30_000_000),
    lies.le64(0),
    lies.le64(0),
    lies.le32(2),
    lies.le32(3200),
    lies.le32(3200),
    lies.le32(64_000),
  )

const stream = (lies: Lies): Buffer =>
  object(
    lies,
    STREAM,
    Buffer.from(AUDIO, 'hex'),
    Buffer.alloc(16),
    lies.le64(0),
    lies.le32(28),
    lies.le32(0),
    lies.le16(1),
    le(4, 0),
    lies.le16(0x161),
    lies.le16(2),
    lies.le32(44_100),
    lies.le32(8000),
    lies.le16(2973),
    lies.le16(16),
    lies.le16(10),
    lies.noise(10),
  )

function header(lies: Lies, ...objects: readonly Buffer[]): Buffer {
  const body = Buffer.concat([lies.le32(objects.length), ascii('\x01\x02'), ...objects])
  return Buffer.concat([
    object(lies, HEADER, body),
    object(lies, DATA, Buffer.alloc(16), lies.le64(10), le(2, 0x0101), lies.noise(300)),
  ])
}

function descriptors(lies: Lies, times: number): Buffer {
  const one = Buffer.concat([lies.le16(4), ascii('a\0\0\0'), lies.le16(lies.below(7)), lies.le16(2), ascii('\0\0')])
  return object(lies, EXTENDED_CONTENT, lies.le16(times), repeated(one, times))
}

/** Windows Media. */
export const ASF: readonly Attack[] = attacks(
  'asf',
  ['wma'],
  [
    { name: 'lies', build: (lies) => header(lies, properties(lies), stream(lies), descriptors(lies, 2)) },
    {
      name: 'small-objects',
      build: (lies) =>
        header(lies, properties(lies), repeated(Buffer.concat([lies.noise(16), le(8, lies.below(25))]), lies.flood())),
    },
    {
      name: 'object-sizes',
      build: (lies) =>
        header(lies, Buffer.concat([lies.noise(16), le(8, lies.edge(64))]), properties(lies), stream(lies)),
    },
    {
      name: 'extensions',
      build: (lies) => {
        const inner = repeated(object(lies, EXTENSION, Buffer.alloc(18), lies.le32(0)), lies.flood(1, 2000))
        return header(
          lies,
          properties(lies),
          object(lies, EXTENSION, Buffer.alloc(18), le(4, lies.edge(32)), inner),
          stream(lies),
        )
      },
    },
    {
      name: 'descriptors',
      build: (lies) => header(lies, properties(lies), stream(lies), descriptors(lies, lies.flood(1, 60_000))),
    },
    {
      name: 'streams',
      build: (lies) => header(lies, properties(lies), repeated(stream(lies), lies.flood(1, 500))),
    },
  ],
)
