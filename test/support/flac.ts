const RATE = 8000
const BLOCK = 4096

/**
 * A FLAC as a recorder streams it: it does not say how long it is, and its blocks, each of one value, are so small that its size does not
 * either.
 */
export function streamedFlac(seconds: number): Buffer {
  const blocks = Array.from({ length: Math.ceil((seconds * RATE) / BLOCK) }, (_, index) => block(index))
  return Buffer.concat([Buffer.from('fLaC'), streamInfo(), ...blocks])
}

/** Seconds that `streamedFlac` really has: whole blocks. */
export function streamedSeconds(seconds: number): number {
  return (Math.ceil((seconds * RATE) / BLOCK) * BLOCK) / RATE
}

function streamInfo(): Buffer {
  const info = Buffer.alloc(4 + 34)
  // The last metadata block, of 34 bytes.
  info.writeUInt32BE(0x80_00_00_22, 0)
  info.writeUInt16BE(BLOCK, 4)
  info.writeUInt16BE(BLOCK, 6)
  // 20 bits of the rate, 3 of the channels, 5 of the sample size, each less one; then 36 bits of the length, 0: not known.
  info.writeUInt32BE(((RATE << 12) | (15 << 4)) >>> 0, 14)
  return info
}

/** 0.512 s of one value, mono, 16 bits. */
function block(index: number): Buffer {
  const head = Buffer.from([0xff, 0xf8, 0xc4, 0x08, ...Buffer.from(String.fromCodePoint(index))])
  const value = Buffer.alloc(2)
  value.writeInt16BE(index % 2 === 0 ? 500 : -500)
  const frame = Buffer.concat([head, Buffer.from([crc(head, 8, 0x07), 0]), value])
  const check = Buffer.alloc(2)
  check.writeUInt16BE(crc(frame, 16, 0x80_05))
  return Buffer.concat([frame, check])
}

function crc(bytes: Buffer, bits: 8 | 16, polynomial: number): number {
  const top = 1 << (bits - 1)
  let rest = 0
  for (const byte of bytes) {
    rest ^= byte << (bits - 8)
    for (let bit = 0; bit < 8; bit++) rest = ((rest << 1) ^ ((rest & top) === 0 ? 0 : polynomial)) & (2 * top - 1)
  }
  return rest
}
