import { setImmediate as nextTurn } from 'node:timers/promises'
import { FFmpegError } from 'node-av/lib'
import { EngineError } from '../errors.ts'
import { chooseTrack } from './choose-track.ts'
import { Container } from './container.ts'
import type { AudioTrack } from './container.ts'
import { FileBytes } from './file-bytes.ts'
import { SAMPLE_RATE } from './log-mel.ts'
import { missingBytes, soundEnd } from './missing-bytes.ts'
import { nextOggLink } from './ogg-links.ts'
import { FileTags } from './tags.ts'
import { TrackDecoder } from './track-decoder.ts'
import { ONLY_FRAMES, TrackReader } from './track-reader.ts'
import { AudioWarnings } from './warnings.ts'

/** Decoding is synchronous (six times as fast as a promise a frame); others get their turn this often. */
const TURN_MS = 20
/** A header may announce this much more than there is. */
const TOLERATED_SECONDS = 1
/** Recordings that may be joined in one file, and of them in a row without sound. */
const MAX_PARTS = 1000
const MAX_SILENT_PARTS = 20

/** What of a file's sound is heard. */
export interface AudioSource {
  /** Among the audio tracks, from 0; null: the container's default one, or else the first that can be decoded. */
  readonly track: number | null
  /** The only channel to hear; null: all of them, mixed. */
  readonly channel: number | null
}

export interface DecodeAudioOptions {
  readonly source?: AudioSource
  /** Gets what is wrong with the recording. */
  readonly warnings?: AudioWarnings
  readonly signal?: AbortSignal
}

const ALL: AudioSource = { track: null, channel: null }

/**
 * Decodes a local file's audio to 16 kHz mono, 16-bit samples, in constant memory. An empty chunk is a sign of life.
 * @param path absolute
 * @throws EngineError `audio.not_media`, `audio.no_audio_stream`, `audio.unsupported`, `audio.silent`, `audio.damaged`; `input.invalid`
 *   when there is no such track
 */
export async function* decodeAudio(
  path: string,
  { source = ALL, warnings = new AudioWarnings(), signal }: DecodeAudioOptions = {},
): AsyncGenerator<Int16Array, void, void> {
  using file = new FileBytes(path)
  let turnAt = performance.now() + TURN_MS
  const progress = { samples: 0 }
  for (const chunk of decodeParts({ path, file, source, warnings }, progress)) {
    const now = performance.now()
    if (chunk.length > 0 || now > turnAt) yield chunk
    if (now <= turnAt) continue
    await nextTurn()
    signal?.throwIfAborted()
    turnAt = performance.now() + TURN_MS
  }
  const missing = missingBytes(file)
  if (missing === undefined) return
  const { announced, present } = missing
  warnings.add({
    code: 'audio.shorter_than_announced',
    message: `The file breaks off: its header announces ${announced} bytes, and ${present} are there. What is there was transcribed.`,
    start: progress.samples / SAMPLE_RATE,
  })
}

/** Samples that were given out so far. */
interface Progress {
  samples: number
}

/** A file may be several recordings, one behind the other. */
function* decodeParts(recording: Recording, progress: Progress): Generator<Int16Array> {
  let silentParts = 0
  let from: number | undefined = 0
  for (let count = 0; from !== undefined && count < MAX_PARTS && silentParts < MAX_SILENT_PARTS; count++) {
    const { samples } = progress
    const begin: number = from
    try {
      from = yield* decodePart(recording, begin, progress)
    } catch (error) {
      // What lies behind a recording may be anything.
      if (samples === 0 || !(error instanceof EngineError)) throw error
      tellLostPart(recording.warnings, error, samples)
      from = nextOggLink(recording.file, begin + 1)
    }
    silentParts = progress.samples > samples ? 0 : silentParts + 1
  }
  if (progress.samples === 0) throw damaged()
  if (from !== undefined) tellPartsLeft(recording.warnings, progress.samples)
}

interface Recording {
  readonly path: string
  readonly file: FileBytes
  readonly source: AudioSource
  readonly warnings: AudioWarnings
}

/**
 * @param from where in the file it begins
 * @returns where in the file the next part begins
 */
function* decodePart(
  { path, file, source, warnings }: Recording,
  from: number,
  progress: Progress,
): Generator<Int16Array, number | undefined> {
  using container = Container.open(path, file, from)
  const { track, codec } = chooseTrack(container, source.track, warnings)
  using _ = codec
  container.only(track)
  const { samples } = progress
  using decoder = new TrackDecoder({ zero: container.startSeconds, samples, channel: source.channel, warnings })
  const tags = new FileTags(file, from, container.format === 'mp3' ? soundEnd(file) : file.size)
  try {
    for (const chunk of decoder.decode(new TrackReader(container, track, codec.context, tags).items())) {
      progress.samples += chunk.length
      yield chunk
    }
  } catch (error) {
    const known = error instanceof FFmpegError ? damaged(error) : error
    if (samples === 0 || !(known instanceof EngineError)) throw known
    tellLostPart(warnings, known, progress.samples)
  }
  const { packets = 0, lastPacketAt = 0, lastError } = decoder.summary ?? {}
  const next = container.next ?? (container.format === 'ogg' ? nextOggLink(file, from + lastPacketAt + 1) : undefined)
  if (next !== undefined) return next
  if (decoder.samples === 0) throw packets === 0 && lastError === undefined ? silent() : damaged(lastError)
  const isAllSound = ONLY_FRAMES.has(container.format) || (isMatroska(container) && container.context.nbStreams === 1)
  decoder.tellEnd((isAllSound ? soundEnd(file) : file.size) - from, isAllSound)
  tellCut(container, track, decoder.samples / SAMPLE_RATE, warnings)
  if (container.isCut) {
    const message =
      'The file has more sound than its header announces, which can’t be read. Convert it, and upload that.'
    warnings.add({ code: 'audio.damaged', message, start: decoder.samples / SAMPLE_RATE })
  }
  return undefined
}

function tellLostPart(warnings: AudioWarnings, { message }: EngineError, samples: number): void {
  const start = samples / SAMPLE_RATE
  warnings.add({
    code: 'audio.damaged',
    message: `What was joined to the recording here can’t be read. ${message}`,
    start,
  })
}

function tellPartsLeft(warnings: AudioWarnings, samples: number): void {
  const message = `The file is more than ${MAX_PARTS} recordings, one behind the other, or many of them are empty; the rest was not read.`
  warnings.add({ code: 'audio.damaged', message, start: samples / SAMPLE_RATE })
}

function isMatroska({ format }: Container): boolean {
  return format.startsWith('matroska')
}

/** FLAC counts its samples in its header; elsewhere durations are often wrong. */
function tellCut(container: Container, { stream }: AudioTrack, seconds: number, warnings: AudioWarnings): void {
  const announced = (Number(stream.duration) * stream.timeBase.num) / stream.timeBase.den
  if (container.format !== 'flac' || announced - seconds <= TOLERATED_SECONDS) return
  const message = `The file breaks off: its header announces ${announced.toFixed(1)} s, and ${seconds.toFixed(1)} s are there. What is there was transcribed.`
  warnings.add({ code: 'audio.shorter_than_announced', message, start: seconds })
}

function silent(): EngineError {
  return new EngineError('audio.silent', 'The file has no sound: it is a header without any samples. Record it again.')
}

function damaged(cause?: unknown): EngineError {
  const message = 'No audio could be decoded from the file: it is damaged, or cut off at its beginning.'
  return new EngineError('audio.damaged', message, { cause })
}
