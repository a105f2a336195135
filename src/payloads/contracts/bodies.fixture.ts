import { Readable } from 'node:stream'

/** Bytes that tell by themselves where they belong. */
export function patternOf(start: number, end: number): Buffer {
  const bytes = Buffer.alloc(end - start)
  for (let n = 0; n < bytes.length; n++) bytes[n] = Math.imul(start + n, 0x9e3779b1) >>> 24
  return bytes
}

/** A body of these bytes, in small pieces. */
export function bodyOf(bytes: Uint8Array, pieceLength = 1000): Readable {
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceLength) yield bytes.subarray(at, at + pieceLength)
  }
  return Readable.from(pieces())
}

/** A body that gives these bytes and then waits for ever. */
export function stallingBody(bytes: Uint8Array, pieceLength = 1000): Readable {
  let at = 0
  return new Readable({
    read() {
      if (at >= bytes.length) return
      this.push(bytes.subarray(at, at + pieceLength))
      at += pieceLength
    },
  })
}
