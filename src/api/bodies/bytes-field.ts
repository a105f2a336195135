import { ApiError } from '../errors/api-error.ts'
import { Base64Decoder } from './base64.ts'

const NAME = 'Bytes'
const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c]
const OPENING = new Set([0x5b, 0x7b])
const CLOSING = new Set([0x5d, 0x7d])
const WHITE = new Set([0x20, 0x09, 0x0a, 0x0d])
/** What JSON's escapes of one letter stand for, as far as base64 can have it. */
const ESCAPED: Readonly<Record<string, number>> = { '/': 0x2f, n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c }

/**
 * Reads a JSON object as it comes, wherever its bytes are cut: decodes its field `Bytes`, a text in base64, and keeps the rest, in which
 * `Bytes` is then empty. It tells texts, names and nesting apart; whether the rest is JSON is for a parser to say.
 */
export class BytesField {
  readonly #maxRestBytes: number
  readonly #onRest: (bytes: number) => void
  #rest = Buffer.alloc(1024)
  #restBytes = 0
  #mode: 'between' | 'text' | 'base64' = 'between'
  #depth = 0
  /** Of the text that is being read, when it may be a name of the outermost object. */
  #name: number[] | undefined
  #isName = false
  #isBytesNext = false
  #isEscaped = false
  #decoder: Base64Decoder | undefined
  /** Of an escape within the base64, from the backslash on. */
  #escape = ''

  /** @param options.onRest told of memory that the rest takes; what it throws ends the reading */
  constructor({ maxRestBytes, onRest }: { readonly maxRestBytes: number; readonly onRest: (bytes: number) => void }) {
    this.#maxRestBytes = maxRestBytes
    this.#onRest = onRest
  }

  /** Everything but what `Bytes` has. */
  get rest(): string {
    return this.#rest.toString('utf8', 0, this.#restBytes)
  }

  /**
   * Takes the next bytes of the body; says what they decode to.
   * @throws ApiError 400, 413
   */
  push(chunk: Uint8Array): Uint8Array {
    const decoded = Buffer.allocUnsafe(Math.ceil((chunk.length * 3) / 4) + 3)
    let length = 0
    for (let at = 0; at < chunk.length;) {
      if (this.#mode === 'base64') {
        ;[at, length] = this.#takeBase64(chunk, at, decoded, length)
      } else {
        this.#take(chunk[at] ?? 0)
        at += 1
      }
    }
    return decoded.subarray(0, length)
  }

  #take(byte: number): void {
    this.#keep(byte)
    if (this.#mode === 'text') this.#takeText(byte)
    else this.#takeBetween(byte)
  }

  #keep(byte: number): void {
    if (this.#restBytes === this.#maxRestBytes) {
      throw new ApiError(413, `The body has more than ${this.#maxRestBytes} bytes beside ${NAME}.`)
    }
    if (this.#restBytes === this.#rest.length) {
      this.#onRest(this.#rest.length)
      this.#rest = Buffer.concat([this.#rest], this.#rest.length * 2)
    }
    this.#rest[this.#restBytes] = byte
    this.#restBytes += 1
  }

  #takeText(byte: number): void {
    if (byte === QUOTE && !this.#isEscaped) {
      this.#mode = 'between'
      return
    }
    this.#name?.push(byte)
    this.#isEscaped = byte === BACKSLASH && !this.#isEscaped
  }

  #takeBetween(byte: number): void {
    if (WHITE.has(byte)) return
    if (byte === QUOTE) {
      this.#begin()
      return
    }
    this.#isBytesNext = byte === COLON && this.#depth === 1 && this.#name !== undefined && isBytes(this.#name)
    this.#name = undefined
    if (OPENING.has(byte)) this.#depth += 1
    else if (CLOSING.has(byte)) this.#depth -= 1
    this.#isName = this.#depth === 1 && (byte === COMMA || OPENING.has(byte))
  }

  /** A text begins. */
  #begin(): void {
    if (this.#isBytesNext) {
      if (this.#decoder !== undefined) throw new ApiError(400, `The body has ${NAME} twice.`)
      this.#decoder = new Base64Decoder()
      this.#mode = 'base64'
    } else {
      this.#mode = 'text'
      this.#name = this.#isName ? [] : undefined
    }
    this.#isBytesNext = false
    this.#isName = false
  }

  #takeBase64(chunk: Uint8Array, start: number, target: Uint8Array, offset: number): readonly [number, number] {
    const decoder = (this.#decoder ??= new Base64Decoder())
    if (this.#escape !== '') {
      const code = this.#takeEscape(chunk[start] ?? 0)
      if (code === undefined) return [start + 1, offset]
      const [taken, filled] = decoder.decode(Uint8Array.of(code), 0, target, offset)
      if (taken === 0) throw notBase64()
      return [start + 1, filled]
    }
    const [at, filled] = decoder.decode(chunk, start, target, offset)
    if (at === chunk.length) return [at, filled]
    if (chunk[at] === BACKSLASH) {
      this.#escape = '\\'
    } else if (chunk[at] === QUOTE && decoder.isWhole) {
      this.#mode = 'between'
      this.#keep(QUOTE)
    } else {
      throw notBase64()
    }
    return [at + 1, filled]
  }

  /** The character that an escape stands for, once it is whole. */
  #takeEscape(byte: number): number | undefined {
    this.#escape += String.fromCharCode(byte)
    const unicode = /^\\u([\da-f]{0,4})$/i.exec(this.#escape)?.[1]
    if (unicode !== undefined && unicode.length < 4) return undefined
    const code = unicode === undefined ? ESCAPED[this.#escape.slice(1)] : Number.parseInt(unicode, 16)
    if (code === undefined || code > 0x7f) throw notBase64()
    this.#escape = ''
    return code
  }
}

export function notBase64(): ApiError {
  return new ApiError(400, `${NAME} is not base64, or empty.`)
}

/** Whether the name between its quotes is `Bytes`, in whatever way it is written. */
function isBytes(name: readonly number[]): boolean {
  if (name.length > 6 * NAME.length) return false
  try {
    return JSON.parse(`"${Buffer.from(name).toString()}"`) === NAME
  } catch {
    return false
  }
}
