/** Counts and sizes at which parsers have lost their heads: none, the edges of signs and of widths, and beyond what a double holds. */
const EDGES = [
  0n,
  1n,
  2n,
  7n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0xff_ffffn,
  30_000_000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fff0n,
  0xffff_ffffn,
  0x1f_ffff_ffff_ffffn,
  0x20_0000_0000_0001n,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_ffffn,
]

/** Floods are long enough for what is quadratic to take seconds, and short enough to be sent by the thousand. */
const FLOODS = [1, 100, 2000, 20_000]
const DEPTHS = [2, 50, 1000, 10_000]

/** How often a field of a file lies: seldom, so that a parser gets deep, or nearly always. */
const SHARES = [0, 0.02, 0.1, 0.4]

/** Draws what a hostile file says in place of the truth. All is taken from one generator, so that a seed gives the same file again. */
export class Lies {
  readonly random: () => number
  readonly #share: number

  constructor(random: () => number) {
    this.random = random
    this.#share = this.pick(SHARES)
  }

  /** From 0 to before `limit`. */
  below(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)]
    if (value === undefined) throw new RangeError('there is nothing to pick from')
    return value
  }

  some<T>(values: readonly T[]): readonly T[] {
    return values.filter(() => !this.chance(this.#share / 2))
  }

  /** One of the edges that fits into so many bits. */
  edge(bits: number): bigint {
    return BigInt.asUintN(bits, this.pick(EDGES))
  }

  /** The honest number, or an edge; cut to the width of its field. */
  number(bits: number, honest: number | bigint): bigint {
    return this.chance(this.#share) ? this.edge(bits) : BigInt.asUintN(bits, BigInt(honest))
  }

  u8(honest: number): Buffer {
    return Buffer.from([Number(this.number(8, honest))])
  }

  u16(honest: number): Buffer {
    return be(2, this.number(16, honest))
  }

  u24(honest: number): Buffer {
    return be(3, this.number(24, honest))
  }

  u32(honest: number): Buffer {
    return be(4, this.number(32, honest))
  }

  u64(honest: number | bigint): Buffer {
    return be(8, this.number(64, honest))
  }

  le16(honest: number): Buffer {
    return le(2, this.number(16, honest))
  }

  le32(honest: number): Buffer {
    return le(4, this.number(32, honest))
  }

  le64(honest: number | bigint): Buffer {
    return le(8, this.number(64, honest))
  }

  noise(bytes: number): Buffer {
    return Buffer.from(Array.from({ length: bytes }, () => this.below(256)))
  }

  /** How many times something comes: a flood, or a part of one where each of them is large. */
  flood(divisor = 1, most = Infinity): number {
    return Math.min(most, Math.ceil(this.pick(FLOODS) / divisor))
  }

  depth(): number {
    return this.pick(DEPTHS)
  }
}

/** An unsigned number, big-endian. */
export function be(bytes: number, value: number | bigint): Buffer {
  const hex = BigInt.asUintN(bytes * 8, BigInt(value)).toString(16)
  return Buffer.from(hex.padStart(bytes * 2, '0'), 'hex')
}

/** An unsigned number, little-endian. */
export function le(bytes: number, value: number | bigint): Buffer {
  return Buffer.from(be(bytes, value).toReversed())
}

export const ascii = (text: string): Buffer => Buffer.from(text, 'latin1')

/** The same bytes over and over. */
export function repeated(bytes: Buffer, times: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(bytes.length * times, bytes)
}

/** One hostile shape of a container. */
export interface Attack {
  readonly name: string
  readonly extensions: readonly string[]
  readonly build: (lies: Lies) => Buffer
}

interface Shape {
  readonly name: string
  readonly build: (lies: Lies) => Buffer | readonly Buffer[]
}

/** The shapes of one container, named after it. */
export function attacks(container: string, extensions: readonly string[], shapes: readonly Shape[]): readonly Attack[] {
  return shapes.map(({ name, build }) => ({
    name: `${container}-${name}`,
    extensions,
    build: (lies) => {
      const built = build(lies)
      return Buffer.isBuffer(built) ? built : Buffer.concat(built)
    },
  }))
}
