/** How a value is written, in the low three bits of its field's tag. */
const VARINT = 0
const DELIMITED = 2
const FIXED_32 = 5

/**
 * A message in the wire format of protocol buffers. What is undefined is left out, like a list without entries; fields are written
 * in the order of the calls.
 */
export class Message {
  /** Pieces of the whole: large ones, such as weights, are copied once, at the end. */
  readonly #pieces: Uint8Array[] = []

  /** An int32, int64 or enum. */
  integer(field: number, value: number | undefined): this {
    if (value !== undefined) this.#pieces.push(varint(tag(field, VARINT)), varint(value))
    return this
  }

  /** A float of 32 bits. */
  float(field: number, value: number | undefined): this {
    if (value === undefined) return this
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    this.#pieces.push(varint(tag(field, FIXED_32)), bytes)
    return this
  }

  text(field: number, value: string | undefined): this {
    return this.bytes(field, value === undefined ? undefined : Buffer.from(value))
  }

  texts(field: number, values: readonly string[]): this {
    for (const value of values) this.text(field, value)
    return this
  }

  bytes(field: number, value: Uint8Array | undefined): this {
    return value === undefined ? this : this.#delimited(field, [value])
  }

  /** A repeated integer, as proto3 packs it. */
  integers(field: number, values: readonly number[]): this {
    return values.length === 0 ? this : this.#delimited(field, values.map(varint))
  }

  message(field: number, value: Message | undefined): this {
    return value === undefined ? this : this.#delimited(field, value.#pieces)
  }

  messages(field: number, values: readonly Message[]): this {
    for (const value of values) this.message(field, value)
    return this
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#pieces)
  }

  #delimited(field: number, pieces: readonly Uint8Array[]): this {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    this.#pieces.push(varint(tag(field, DELIMITED)), varint(length))
    for (const piece of pieces) this.#pieces.push(piece)
    return this
  }
}

function tag(field: number, wireType: number): number {
  return field * 8 + wireType
}

/**
 * A varint: seven bits a byte, the lowest first; of a negative number its 64 bits.
 * @throws RangeError when it is not whole
 */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}
