import { setImmediate as nextTurn } from 'node:timers/promises'
import { Decoder, Demuxer, FilterAPI } from 'node-av/api'
import { AV_LOG_QUIET, AV_PKT_DATA_SKIP_SAMPLES, AVMEDIA_TYPE_AUDIO } from 'node-av/constants'
import { FFmpegError, Frame, Log, Packet } from 'node-av/lib'
import { EngineError } from '../errors.ts'
import { announcedSeconds } from './announced-length.ts'
import type { ContainerFacts } from './announced-length.ts'
import { SAMPLE_RATE } from './log-mel.ts'

/**
 * Containers with the media inside. What FFmpeg reads besides opens other files or devices: playlists, concatenation scripts,
 * session descriptions, image sequences, generators. An upload may be any of them, whatever it is called.
 */
const FORMATS = [
  ...[
    'aac',
    'ac3',
    'eac3',
    'aiff',
    'amr',
    'amrnb',
    'amrwb',
    'ape',
    'asf',
    'au',
    'avi',
    'caf',
    'dts',
    'dtshd',
    'flac',
    'flv',
  ],
  ...[
    'gsm',
    'loas',
    'matroska',
    'mov',
    'mp3',
    'mpc',
    'mpc8',
    'mpeg',
    'mpegts',
    'mxf',
    'nut',
    'oga',
    'ogg',
    'oma',
    'rm',
    'tak',
  ],
  ...['tta', 'truehd', 'voc', 'w64', 'wav', 'wv', 'xwma'],
]

/** The conversion is one resampler that FFmpeg puts in by itself, as for the reference's `-f s16le -ac 1 -ar 16000`. */
const CONVERSION = `aformat=sample_fmts=s16:sample_rates=${SAMPLE_RATE}:channel_layouts=mono,asetnsamples=n=${SAMPLE_RATE}:p=0`

/** Decoding is synchronous (six times as fast as a promise a frame); others get their turn this often. */
const TURN_MS = 20

/** A header may announce this much more than there is, for encoders' padding and rounding, before the file counts as cut off. */
const TOLERATED_SECONDS = 1
const TOLERATED_SHARE = 0.02

/**
 * Decodes a local file's audio to 16 kHz mono, 16-bit samples, in constant memory.
 * @param path absolute
 * @throws EngineError `audio.empty`, `audio.not_media`, `audio.no_audio_stream`, `audio.damaged`, `audio.truncated`
 */
export async function* decodeAudio(path: string, signal?: AbortSignal): AsyncGenerator<Int16Array, void, void> {
  Log.setLevel(AV_LOG_QUIET)
  using demuxer = openDemuxer(path)
  const stream = demuxer.findBestStream(AVMEDIA_TYPE_AUDIO) ?? demuxer.audio()
  if (stream === undefined) {
    throw new EngineError('audio.no_audio_stream', 'The file has no audio stream. Upload one that has sound.')
  }
  using decoder = openDecoder(stream)
  using filter = FilterAPI.create(CONVERSION)

  let samples = 0
  let turnAt = performance.now() + TURN_MS
  try {
    for (const frame of filteredFrames(filter, demuxer, decoder, stream)) {
      const chunk = copySamples(frame.data?.[0], frame.nbSamples)
      frame.free()
      samples += chunk.length
      yield chunk
      if (performance.now() > turnAt) {
        await nextTurn()
        signal?.throwIfAborted()
        turnAt = performance.now() + TURN_MS
      }
    }
  } catch (error) {
    if (!(error instanceof FFmpegError)) throw error
    throw damaged(error)
  }
  if (samples === 0) throw damaged()
  const decodedSeconds = samples / SAMPLE_RATE
  checkLength(decodedSeconds, announcedSeconds(factsOf(path, demuxer, stream), decodedSeconds))
}

/**
 * One packet and one frame are used again for the whole file: wrapped anew for each frame, as node-av's generators do it, they take
 * longer than the decoding.
 */
function* decodedFrames(demuxer: Demuxer, decoder: Decoder, stream: Stream): Generator<Frame> {
  const format = demuxer.getFormatContext()
  const codec = decoder.getCodecContext()
  if (codec === null) throw damaged()
  const keepsPadding = demuxer.formatName.includes('mp4')
  using packet = new Packet()
  using frame = new Frame()
  packet.alloc()
  frame.alloc()
  for (let hasEnded = false; !hasEnded;) {
    hasEnded = format.readFrameSync(packet) < 0
    if (!hasEnded && (packet.streamIndex !== stream.index || packet.size === 0)) {
      packet.unref()
      continue
    }
    if (!hasEnded && keepsPadding) keepPadding(packet)
    // A broken packet costs its own sound only, as with the reference.
    codec.sendPacketSync(hasEnded ? null : packet)
    packet.unref()
    while (codec.receiveFrameSync(frame) >= 0) {
      frame.timeBase = stream.timeBase
      yield frame
    }
  }
}

function* filteredFrames(filter: FilterAPI, demuxer: Demuxer, decoder: Decoder, stream: Stream): Generator<Frame> {
  for (const frame of decodedFrames(demuxer, decoder, stream)) {
    filter.processSync(frame)
    yield* received(filter)
  }
  filter.flushSync()
  yield* received(filter)
}

/** What the filter has ready; neither "more input is needed" nor the end is a frame. */
function* received(filter: FilterAPI): Generator<Frame> {
  for (let frame = filter.receiveSync(); frame instanceof Frame; frame = filter.receiveSync()) yield frame
}

/**
 * FFmpeg's newest versions cut the encoder's padding off the end of an mp4's audio, those that the reference is mostly run with do
 * not: a few milliseconds, but other scores for the last window.
 */
function keepPadding(packet: Packet): void {
  // Little-endian: samples to skip at the beginning, samples to discard at the end.
  const skips = packet.getSideData(AV_PKT_DATA_SKIP_SAMPLES)
  if (skips === null || skips.readUInt32LE(4) === 0) return
  const withoutDiscard = Buffer.from(skips)
  withoutDiscard.writeUInt32LE(0, 4)
  FFmpegError.throwIfError(packet.addSideData(AV_PKT_DATA_SKIP_SAMPLES, withoutDiscard), 'addSideData')
}

type Stream = NonNullable<ReturnType<Demuxer['audio']>>

function openDemuxer(path: string): Demuxer {
  try {
    return Demuxer.openSync(path, {
      options: { format_whitelist: FORMATS.join(','), protocol_whitelist: 'file' },
    })
  } catch (cause) {
    throw new EngineError(
      'audio.not_media',
      'The file is not audio or video in a format that can be read (mp3, m4a, wav, flac, ogg, webm, mp4 and others), or its ' +
        'beginning or end is missing.',
      { cause },
    )
  }
}

function openDecoder(stream: Stream): Decoder {
  try {
    return Decoder.createSync(stream)
  } catch (cause) {
    throw new EngineError('audio.damaged', 'The audio in the file has a codec that can’t be decoded.', { cause })
  }
}

function factsOf(path: string, demuxer: Demuxer, stream: Stream): ContainerFacts {
  const { num, den } = stream.timeBase
  return {
    path,
    format: demuxer.formatName,
    streams: demuxer.streams.length,
    containerSeconds: known(demuxer.duration),
    streamSeconds: known((Number(stream.duration) * num) / den),
  }
}

/** FFmpeg's "no value" is the smallest 64-bit integer. */
function known(seconds: number): number | undefined {
  return seconds > 0 ? seconds : undefined
}

function copySamples(bytes: Buffer | undefined, count: number): Int16Array {
  if (bytes === undefined || bytes.length < 2 * count) throw damaged()
  const samples = new Int16Array(count)
  Buffer.from(samples.buffer).set(bytes.subarray(0, 2 * count))
  return samples
}

function checkLength(seconds: number, announced: number | undefined): void {
  if (announced === undefined) return
  const missing = announced - seconds
  if (missing <= Math.max(TOLERATED_SECONDS, TOLERATED_SHARE * announced)) return
  throw new EngineError(
    'audio.truncated',
    `The recording breaks off: its header announces ${announced.toFixed(1)} s of audio, and ${seconds.toFixed(1)} s are there. ` +
      'Upload the whole file.',
  )
}

function damaged(cause?: unknown): EngineError {
  const message = 'No audio could be decoded from the file: it is damaged, or cut off at its beginning.'
  return new EngineError('audio.damaged', message, { cause })
}
