import { EngineError } from '../errors.ts'

/**
 * Byte-level BPE writes each byte as one printable character: printable ones of Latin-1 as themselves, the others from
 * U+0100 on (GPT-2, 2019). This is the way back.
 */
function byteOfCharacter(): ReadonlyMap<string, number> {
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
  const bytes = new Map<string, number>()
  let next = 0x100
  for (let byte = 0; byte < 256; byte++) bytes.set(String.fromCodePoint(isPrintable(byte) ? byte : next++), byte)
  return bytes
}

const BYTES = byteOfCharacter()

/**
 * The bytes of a vocabulary entry.
 * @throws EngineError `checkpoint.invalid`
 */
export function tokenBytes(entry: string): Uint8Array {
  return Uint8Array.from(entry, (character) => {
    const byte = BYTES.get(character)
    if (byte === undefined)
      throw new EngineError(
        'checkpoint.invalid',
        `The tokenizer has ${JSON.stringify(character)}, which stands for no byte.`,
      )
    return byte
  })
}
