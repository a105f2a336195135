const [PAD, SPACE, INVALID] = [64, 65, 255]
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

const VALUES = new Uint8Array(256).fill(INVALID)
for (const [value, letter] of [...ALPHABET].entries()) VALUES[letter.charCodeAt(0)] = value
VALUES['-'.charCodeAt(0)] = 62
VALUES['_'.charCodeAt(0)] = 63
VALUES['='.charCodeAt(0)] = PAD
for (const space of ' \t\r\n\f\v') VALUES[space.charCodeAt(0)] = SPACE

/** Decodes base64 or base64url as it comes, letter by letter, with any white space in it and with or without its padding. */
export class Base64Decoder {
  #bits = 0
  #letters = 0
  #pads = 0

  /**
   * Decodes letters of `source` from `start` on, up to the first that is none of base64; writes what is whole into `target` from `offset` on.
   * Says where it stopped, and how far the target is filled.
   */
  decode(source: Uint8Array, start: number, target: Uint8Array, offset: number): readonly [at: number, offset: number] {
    let at = start
    for (; at < source.length; at++) {
      const value = VALUES[source[at] ?? 0] ?? INVALID
      if (value < PAD) {
        if (this.#pads > 0) break
        this.#bits = ((this.#bits << 6) | value) & 0xff_ff
        this.#letters += 1
        const left = this.#letters % 4
        // Of four letters the first completes no byte, and each other one does.
        if (left !== 1) target[offset++] = this.#bits >> (left === 2 ? 4 : left === 3 ? 2 : 0)
      } else if (value === PAD) {
        this.#pads += 1
        if (this.#pads > 2) break
      } else if (value === INVALID) {
        break
      }
    }
    return [at, offset]
  }

  /** Whether what has come can be all of it. */
  get isWhole(): boolean {
    return this.#letters % 4 !== 1 && (this.#pads === 0 || this.#letters % 4 > 1)
  }
}
