import {
  AVDISCARD_ALL,
  AVMEDIA_TYPE_AUDIO,
  AV_DISPOSITION_DEFAULT,
  AV_LOG_QUIET,
  AV_NOPTS_VALUE,
} from 'node-av/constants'
import {
  Codec,
  CodecContext,
  Dictionary,
  FFmpegError,
  FormatContext,
  InputFormat,
  Log,
  avGetCodecName,
} from 'node-av/lib'
import type { Stream } from 'node-av/lib'
import { EngineError } from '../errors.ts'
import type { FileBytes } from './file-bytes.ts'
import { DECODERS, OPEN_OPTIONS, RAW_OPTIONS } from './formats.ts'
import { requirePlausibleTables } from './mp4-tables.ts'
import { riffFacts } from './riff.ts'

const MICROSECONDS = 1e6

/** One sound in a container. */
export interface AudioTrack {
  readonly stream: Stream
  /** Among the container's audio tracks, from 0. */
  readonly number: number
  readonly isDefault: boolean
}

/** A media file, or the part of it that is one. */
export class Container implements Disposable {
  readonly context: FormatContext
  readonly format: string
  readonly tracks: readonly AudioTrack[]

  /** Where in the file another recording begins, which was joined to it. */
  readonly next: number | undefined
  /** Whether there is more sound than its header announces, which can't be read. */
  readonly isCut: boolean

  private constructor(context: FormatContext, next: number | undefined, isCut: boolean) {
    this.context = context
    this.next = next
    this.isCut = isCut
    this.format = context.iformat?.name ?? ''
    this.tracks = context.streams
      .filter(({ codecpar }) => codecpar.codecType === AVMEDIA_TYPE_AUDIO)
      .map((stream, number) => ({ stream, number, isDefault: (stream.disposition & AV_DISPOSITION_DEFAULT) !== 0 }))
  }

  /**
   * @param path absolute
   * @param file the same, opened
   * @param from where in the file it begins
   * @throws EngineError `audio.not_media`, `audio.damaged`
   */
  static open(path: string, file: FileBytes, from: number): Container {
    Log.setLevel(AV_LOG_QUIET)
    if (from === 0) requirePlausibleTables(file)
    const { url, demuxer, options, next, isCut } = sourceOf(path, file, from)
    const context = new FormatContext()
    const dictionary = Dictionary.fromObject(options)
    try {
      FFmpegError.throwIfError(context.openInputSync(url, demuxer, dictionary), 'openInput')
      FFmpegError.throwIfError(context.findStreamInfoSync(null), 'findStreamInfo')
      return new Container(context, next, isCut)
    } catch (cause) {
      context.closeInputSync()
      if (!(cause instanceof FFmpegError)) throw cause
      throw new EngineError(
        'audio.not_media',
        'The file is not audio or video in a format that can be read (mp3, m4a, wav, flac, ogg, webm, mp4 and others), or its ' +
          'beginning or end is missing.',
        { cause },
      )
    } finally {
      dictionary.free()
    }
  }

  /** Seconds that its times count from; undefined when it says nothing. */
  get startSeconds(): number | undefined {
    const { startTime } = this.context
    return startTime === AV_NOPTS_VALUE ? undefined : Number(startTime) / MICROSECONDS
  }

  /** Leaves all other streams out, so that a video's pictures are not even read. */
  only({ stream }: AudioTrack): void {
    for (const other of this.context.streams) if (other.index !== stream.index) other.discard = AVDISCARD_ALL
  }

  [Symbol.dispose](): void {
    this.context.closeInputSync()
  }
}

interface Source {
  readonly url: string
  /** Null: FFmpeg finds out. */
  readonly demuxer: InputFormat | null
  readonly options: Record<string, string | number>
  readonly next: number | undefined
  readonly isCut: boolean
}

function sourceOf(path: string, file: FileBytes, from: number): Source {
  const plain = { demuxer: null, options: OPEN_OPTIONS, next: undefined, isCut: false }
  const riff = riffFacts(file, from)
  if (riff === undefined || riff.behind === 'as announced') {
    return { ...plain, url: from === 0 ? path : partOf(path, from, file.size) }
  }
  const { next, raw, dataAt, announcedEnd = file.size } = riff
  if (riff.behind === 'another WAV') return { ...plain, url: partOf(path, from, next ?? file.size), next }
  if (raw === undefined) return { ...plain, url: partOf(path, from, announcedEnd), isCut: true }
  // FFmpeg would look for chunks in what is sound, eight bytes at a time.
  const demuxer = InputFormat.findInputFormat(raw.demuxer)
  return { ...plain, url: partOf(path, dataAt, file.size), demuxer, options: { ...RAW_OPTIONS, ...raw.options } }
}

function partOf(path: string, from: number, end: number): string {
  return `subfile,,start,${from},end,${end},,:${path}`
}

/** A decoder that is open. Its own disposal frees it a second time when it is collected. */
export class TrackCodec implements Disposable {
  readonly context: CodecContext

  private constructor(context: CodecContext) {
    this.context = context
  }

  /** @returns undefined when nothing here decodes it */
  static open({ stream }: AudioTrack): TrackCodec | undefined {
    const codec = Codec.findDecoder(stream.codecpar.codecId)
    if (codec === null || !DECODERS.has(codec.name ?? '')) return undefined
    const context = new CodecContext()
    context.allocContext3(codec)
    if (context.parametersToContext(stream.codecpar) >= 0) {
      context.pktTimebase = stream.timeBase
      // As many threads as serve.
      context.threadCount = 0
      if (context.open2Sync(codec) >= 0) return new TrackCodec(context)
    }
    context.freeContext()
    return undefined
  }

  [Symbol.dispose](): void {
    this.context.freeContext()
  }
}

export function codecName({ stream }: AudioTrack): string {
  return avGetCodecName(stream.codecpar.codecId) ?? 'unknown'
}
