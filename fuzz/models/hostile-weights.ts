import { choose } from '../../test/support/random.ts'

/** A change of a safetensors file. */
export interface WeightsAttack {
  readonly name: string
  readonly change: (bytes: Buffer, random: () => number) => Buffer
}

interface Tensor {
  dtype: unknown
  shape: unknown
  data_offsets: unknown
}
type Header = Record<string, Tensor>

const NUMBERS: readonly unknown[] = [0, -1, 0.5, 2 ** 31, 2 ** 53, 1e300, '1', null, [], {}]

/** What the header says. */
export const HOSTILE_HEADERS: readonly WeightsAttack[] = [
  attack('a header longer than the file', (bytes, random) => {
    const copy = Buffer.from(bytes)
    copy.writeBigUInt64LE(
      choose([0n, 1n, BigInt(bytes.length), 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n], random),
    )
    return copy
  }),
  attack('a header of 30 MB', (bytes) => rebuilt(bytes, (header) => JSON.stringify(header) + ' '.repeat(30_000_000))),
  attack('a header of 200,000 tensors', (bytes) =>
    rebuilt(bytes, (header) => {
      for (let n = 0; n < 200_000; n++) header[`t${n}`] = { dtype: 'F16', shape: [], data_offsets: [0, 2] }
      return JSON.stringify(header)
    }),
  ),
  attack('a nested header', (bytes, random) =>
    rebuilt(bytes, () => '{"a":'.repeat(1 + Math.floor(100_000 * random()))),
  ),
  attack('a shape', (bytes, random) =>
    oneTensor(bytes, random, (tensor) => (tensor.shape = [choose(NUMBERS, random), 128])),
  ),
  attack('a shape of many dimensions', (bytes, random) =>
    oneTensor(bytes, random, (tensor) => (tensor.shape = Array(100_000).fill(1))),
  ),
  attack('offsets', (bytes, random) =>
    oneTensor(bytes, random, (tensor) => (tensor.data_offsets = [choose(NUMBERS, random), choose(NUMBERS, random)])),
  ),
  attack('a type', (bytes, random) =>
    oneTensor(
      bytes,
      random,
      (tensor) => (tensor.dtype = choose(['F64', 'I64', 'BOOL', 'F8_E4M3', '', null, 5, 'constructor'], random)),
    ),
  ),
  attack('a tensor is missing', (bytes, random) =>
    rebuilt(bytes, (header) => {
      delete header[choose(Object.keys(header), random)]
      return JSON.stringify(header)
    }),
  ),
]

/** What the weights are: 16-bit floats. */
export const HOSTILE_WEIGHTS: readonly WeightsAttack[] = [
  attack('NaN in all weights', (bytes) => filled(bytes, () => 0x7e00)),
  attack('infinite weights', (bytes) => filled(bytes, () => 0x7c00)),
  attack('weights of zero', (bytes) => filled(bytes, () => 0)),
  attack('weights as large as can be', (bytes) => filled(bytes, (index) => (index % 2 === 0 ? 0x7bff : 0xfbff))),
  attack('NaN now and then', (bytes, random) => {
    const copy = Buffer.from(bytes)
    const begin = dataBegin(bytes)
    for (let n = 0; n < 20; n++)
      copy.writeUInt16LE(0x7e00, begin + 2 * Math.floor((random() * (bytes.length - begin)) / 2))
    return copy
  }),
  attack('random weights', (bytes, random) => filled(bytes, () => Math.floor(random() * 65_536))),
  attack('half of the weights', (bytes) => bytes.subarray(0, Math.floor(bytes.length / 2))),
]

function attack(name: string, change: WeightsAttack['change']): WeightsAttack {
  return { name, change }
}

function dataBegin(bytes: Buffer): number {
  return 8 + Number(bytes.readBigUInt64LE(0))
}

function rebuilt(bytes: Buffer, change: (header: Header) => string): Buffer {
  const begin = dataBegin(bytes)
  const json = Buffer.from(change(JSON.parse(bytes.subarray(8, begin).toString()) as Header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, bytes.subarray(begin)])
}

function oneTensor(bytes: Buffer, random: () => number, change: (tensor: Tensor) => void): Buffer {
  return rebuilt(bytes, (header) => {
    const tensor =
      header[
        choose(
          Object.keys(header).filter((name) => name !== '__metadata__'),
          random,
        )
      ]
    if (tensor !== undefined) change(tensor)
    return JSON.stringify(header)
  })
}

function filled(bytes: Buffer, value: (index: number) => number): Buffer {
  const copy = Buffer.from(bytes)
  for (let at = dataBegin(bytes), index = 0; at + 1 < copy.length; at += 2, index++)
    copy.writeUInt16LE(value(index), at)
  return copy
}
