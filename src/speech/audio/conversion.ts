import { FilterAPI } from 'node-av/api'
import { Frame } from 'node-av/lib'
import { EngineError } from '../errors.ts'
import { mixOf, mixed } from './channel-mix.ts'
import type { ChannelMix } from './channel-mix.ts'
import { SAMPLE_RATE } from './log-mel.ts'

/** The conversion is one resampler that FFmpeg puts in by itself, as for the reference's `-f s16le -ac 1 -ar 16000`. */
const GRAPH = `aformat=sample_fmts=s16:sample_rates=${SAMPLE_RATE}:channel_layouts=mono,asetnsamples=n=${SAMPLE_RATE}:p=0`

/** Telephones begin at 8 kHz, DSD ends at 705.6 kHz. What is below would become thousands of samples for each one. */
const MIN_RATE = 1000
const MAX_RATE = 768_000
const MAX_CHANNELS = 255

/** Turns frames that are alike into 16 kHz mono, 16-bit. */
export class Conversion implements Disposable {
  #filter = FilterAPI.create(GRAPH)
  #mix: ChannelMix
  readonly #kind: string

  /**
   * @param frame the first one
   * @param channel the only one to hear; null: all
   * @throws EngineError `audio.unsupported`
   */
  constructor(frame: Frame, channel: number | null) {
    const { sampleRate, channelLayout } = frame
    if (sampleRate < MIN_RATE || sampleRate > MAX_RATE) {
      throw unsupported(`a sample rate of ${sampleRate} Hz; from ${MIN_RATE} to ${MAX_RATE} Hz are taken`)
    }
    if (channelLayout.nbChannels > MAX_CHANNELS) {
      throw unsupported(`${channelLayout.nbChannels} channels; up to ${MAX_CHANNELS} are taken`)
    }
    this.#kind = kindOf(frame)
    const only = channel === null || channel >= channelLayout.nbChannels ? null : channel
    this.#mix = only ?? mixOf(channelLayout)
  }

  fits(frame: Frame): boolean {
    return kindOf(frame) === this.#kind
  }

  *push(frame: Frame): Generator<Int16Array> {
    if (this.#filter.isFilterInitialized) this.#send(frame)
    else this.#start(frame)
    yield* this.#received()
  }

  *finish(): Generator<Int16Array> {
    this.#filter.flushSync()
    yield* this.#received()
  }

  [Symbol.dispose](): void {
    this.#filter[Symbol.dispose]()
  }

  /** What a filter can't be made for is told by errors of several classes. */
  #start(frame: Frame): void {
    try {
      this.#send(frame)
    } catch (cause) {
      const { sampleRate, channelLayout } = frame
      if (this.#mix !== 'downmix') {
        throw unsupported(`${channelLayout.nbChannels} channels at ${sampleRate} Hz that can’t be converted`, cause)
      }
      // A layout without a downmix.
      this.#mix = 'mean'
      this.#filter[Symbol.dispose]()
      this.#filter = FilterAPI.create(GRAPH)
      this.#start(frame)
    }
  }

  #send(frame: Frame): void {
    if (this.#mix === 'downmix') {
      this.#filter.processSync(frame)
      return
    }
    const mono = mixed(frame, this.#mix)
    try {
      this.#filter.processSync(mono)
    } finally {
      mono.free()
    }
  }

  /** What the filter has ready; neither "more input is needed" nor the end is a frame. */
  *#received(): Generator<Int16Array> {
    for (let frame = this.#filter.receiveSync(); frame instanceof Frame; frame = this.#filter.receiveSync()) {
      const samples = copySamples(frame.data?.[0], frame.nbSamples)
      frame.free()
      yield samples
    }
  }
}

function kindOf({ format, sampleRate, channelLayout: { order, nbChannels, mask } }: Frame): string {
  return `${format} ${sampleRate} ${order} ${nbChannels} ${mask}`
}

function copySamples(bytes: Buffer | undefined, count: number): Int16Array {
  if (bytes === undefined || bytes.length < 2 * count) throw unsupported('frames that can’t be read')
  const samples = new Int16Array(count)
  Buffer.from(samples.buffer).set(bytes.subarray(0, 2 * count))
  return samples
}

function unsupported(what: string, cause?: unknown): EngineError {
  return new EngineError(
    'audio.unsupported',
    `The recording has ${what}. Convert it, for example to 16 kHz mono, and upload that.`,
    {
      cause,
    },
  )
}
