import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** What the container says, as FFmpeg has it; seconds are undefined when it says nothing. */
export interface ContainerFacts {
  readonly path: string
  /** FFmpeg's name of the format, which may be a list: `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly format: string
  readonly streams: number
  readonly containerSeconds: number | undefined
  readonly streamSeconds: number | undefined
}

/** Recorders that can't go back to the header leave about the largest size there. */
const UNKNOWN_RIFF_SIZE = 0x7fff_f000

/**
 * How many seconds of audio a file's own header announces; undefined where the header says nothing, or where FFmpeg's duration is a
 * guess from the bit rate or the end of what is there: those can't tell that a file was cut off.
 * @param decodedSeconds how much was decoded
 */
export function announcedSeconds(facts: ContainerFacts, decodedSeconds: number): number | undefined {
  const formats = facts.format.split(',')
  if (formats.includes('mov') || formats.includes('flac')) return facts.streamSeconds
  // Matroska's duration is of the longest of its streams.
  if (formats.includes('matroska')) return facts.streams === 1 ? facts.containerSeconds : undefined
  if (formats.includes('mp3')) return hasXingHeader(facts.path) ? facts.streamSeconds : undefined
  if (formats.includes('wav')) {
    const share = announcedRiffShare(facts.path)
    return share === undefined ? undefined : decodedSeconds * share
  }
  return undefined
}

/** Bytes that a RIFF header announces, over those that are there. */
function announcedRiffShare(path: string): number | undefined {
  const { bytes, size } = readStart(path, 0, 12)
  if (bytes.length < 12 || bytes.toString('latin1', 0, 4) !== 'RIFF') return undefined
  const announced = bytes.readUInt32LE(4)
  return announced === 0 || announced >= UNKNOWN_RIFF_SIZE ? undefined : (announced + 8) / size
}

/** Whether the first MPEG frame, behind an ID3 tag if there is one, holds the number of frames (Xing or Info header). */
function hasXingHeader(path: string): boolean {
  const { bytes: tag } = readStart(path, 0, 10)
  let audioAt = 0
  if (tag.length === 10 && tag.toString('latin1', 0, 3) === 'ID3') {
    audioAt = 10 + [6, 7, 8, 9].reduce((size, at) => (size << 7) | ((tag[at] ?? 0) & 0x7f), 0)
  }
  // The marker stands at most 36 bytes into the frame; encoders pad the tag.
  const { bytes } = readStart(path, audioAt, 4096)
  return bytes.includes('Xing', 0, 'latin1') || bytes.includes('Info', 0, 'latin1')
}

function readStart(path: string, position: number, length: number): { readonly bytes: Buffer; readonly size: number } {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    const count = readSync(file, bytes, 0, length, position)
    return { bytes: bytes.subarray(0, count), size: fstatSync(file).size }
  } finally {
    closeSync(file)
  }
}
