import { AVFMT_FLAG_CUSTOM_IO, AVMEDIA_TYPE_AUDIO } from 'node-av/constants'
import { Dictionary, FormatContext, IOContext } from 'node-av/lib'
import { OPEN_OPTIONS } from '../speech/audio/formats.ts'
import { RangedFile } from './ranged-file.ts'
import type { ReadBlock } from './ranged-file.ts'

/** A length beyond this is no recording's but a header's that lies: a year. */
const MAX_SECONDS = 366 * 86_400
const MICROSECONDS = 1e6
/** Of FFmpeg's own, one of which node-av 6.1.1 leaks for each file. Half as many make it slower. */
const BUFFER_BYTES = 2 ** 14

/** What is decoded where a header says nothing: some frames, to estimate by their bit rate. */
const FRAMES = { probesize: '1048576', formatprobesize: '1048576' }

/**
 * How long the sound of a file is, in seconds, as FFmpeg reads it off its headers, or estimates it where they are silent. Undefined where
 * it is no media, or can't be known without reading all of it.
 */
export async function mediaLength(
  { bytes, extension }: { readonly bytes: number; readonly extension: string },
  readBlock: ReadBlock,
): Promise<number | undefined> {
  const file = new RangedFile(bytes, readBlock)
  await file.skipTags()
  const context = new FormatContext()
  const io = new IOContext()
  // No protocol can be opened: what the bytes refer to stays closed.
  const options = Dictionary.fromObject({ ...OPEN_OPTIONS, ...FRAMES, protocol_whitelist: 'none' })
  try {
    context.allocContext()
    io.allocContextWithCallbacks(BUFFER_BYTES, 0, file.read, null, file.seek)
    context.pb = io
    context.setFlags(AVFMT_FLAG_CUSTOM_IO)
    if ((await context.openInput(`recording.${extension}`, null, options)) < 0) return undefined
    const told = lengthIn(context)
    if (told !== undefined || (await context.findStreamInfo(null)) < 0) return told
    return lengthIn(context)
  } finally {
    options.free()
    context.pb = null
    io.freeContext()
    await context.closeInput()
  }
}

/** The first sound's, or that of the whole. FFmpeg's "no value" is the smallest 64-bit integer. */
function lengthIn(context: FormatContext): number | undefined {
  const sound = context.streams?.find(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_AUDIO)
  if (sound === undefined) return undefined
  const { num, den } = sound.timeBase
  return [(Number(sound.duration) * num) / den, Number(context.duration) / MICROSECONDS].find(
    (seconds) => seconds > 0 && seconds <= MAX_SECONDS,
  )
}
