import {
  AV_CHANNEL_ORDER_AMBISONIC,
  AV_CHANNEL_ORDER_NATIVE,
  AV_CHANNEL_ORDER_UNSPEC,
  AV_SAMPLE_FMT_DBL,
  AV_SAMPLE_FMT_DBLP,
  AV_SAMPLE_FMT_FLT,
  AV_SAMPLE_FMT_FLTP,
  AV_SAMPLE_FMT_S16,
  AV_SAMPLE_FMT_S16P,
  AV_SAMPLE_FMT_S32,
  AV_SAMPLE_FMT_S32P,
  AV_SAMPLE_FMT_S64,
  AV_SAMPLE_FMT_S64P,
  AV_SAMPLE_FMT_U8,
  AV_SAMPLE_FMT_U8P,
} from 'node-av/constants'
import { Frame, avGetBytesPerSample, avSampleFmtIsPlanar } from 'node-av/lib'
import type { AVSampleFormat } from 'node-av/constants'
import { EngineError } from '../errors.ts'

/** How many channels become one: FFmpeg's downmix as the reference has it, their mean, or one of them. */
export type ChannelMix = 'downmix' | 'mean' | number

/** Without a layout FFmpeg takes up to this many channels for the usual loudspeakers, as the reference does. */
const MAX_GUESSED_CHANNELS = 8
const MONO = { nbChannels: 1, order: AV_CHANNEL_ORDER_NATIVE, mask: 4n }

type Layout = Pick<Frame['channelLayout'], 'order' | 'nbChannels'>

/** What serves a layout that FFmpeg has no downmix for: the first channel of ambisonics is the sound from everywhere. */
export function mixOf({ order, nbChannels }: Layout): ChannelMix {
  if (order === AV_CHANNEL_ORDER_AMBISONIC) return 0
  const isKnown =
    order === AV_CHANNEL_ORDER_NATIVE || (order === AV_CHANNEL_ORDER_UNSPEC && nbChannels <= MAX_GUESSED_CHANNELS)
  return isKnown ? 'downmix' : 'mean'
}

/** A frame of one channel in float32; whoever takes it frees it. */
export function mixed(frame: Frame, mix: Exclude<ChannelMix, 'downmix'>): Frame {
  const channels = channelsOf(frame)
  const chosen = mix === 'mean' ? channels : channels.slice(mix, mix + 1)
  const samples = new Float32Array(frame.nbSamples)
  for (const { values, first, step, scale, zero } of chosen) {
    const weight = scale / chosen.length
    for (let i = 0, at = first; i < samples.length; i++, at += step) samples[i]! += (Number(values[at]) - zero) * weight
  }
  const { nbSamples, sampleRate, timeBase, pts } = frame
  const format = AV_SAMPLE_FMT_FLT
  return Frame.fromAudioBuffer(Buffer.from(samples.buffer), {
    nbSamples,
    format,
    sampleRate,
    channelLayout: MONO,
    timeBase,
    pts,
  })
}

/** Adds each channel's squares, of samples from −1 to 1, to `sums`. */
export function addPowers(frame: Frame, sums: number[]): void {
  for (const [channel, { values, first, step, scale, zero }] of channelsOf(frame).entries()) {
    let sum = 0
    for (let i = 0, at = first; i < frame.nbSamples; i++, at += step) sum += ((Number(values[at]) - zero) * scale) ** 2
    sums[channel] = (sums[channel] ?? 0) + sum
  }
}

interface Channel {
  readonly values: ArrayLike<number | bigint>
  readonly first: number
  readonly step: number
  readonly scale: number
  /** The value of silence. */
  readonly zero: number
}

type Reader = (bytes: ArrayBufferLike, at: number, length: number) => ArrayLike<number | bigint>
const FORMATS: ReadonlyMap<AVSampleFormat, { readonly read: Reader; readonly scale: number; readonly zero: number }> =
  new Map(
    (
      [
        [[AV_SAMPLE_FMT_U8, AV_SAMPLE_FMT_U8P], (b, at, n) => new Uint8Array(b, at, n), 2 ** -7, 128],
        [[AV_SAMPLE_FMT_S16, AV_SAMPLE_FMT_S16P], (b, at, n) => new Int16Array(b, at, n), 2 ** -15, 0],
        [[AV_SAMPLE_FMT_S32, AV_SAMPLE_FMT_S32P], (b, at, n) => new Int32Array(b, at, n), 2 ** -31, 0],
        [[AV_SAMPLE_FMT_S64, AV_SAMPLE_FMT_S64P], (b, at, n) => new BigInt64Array(b, at, n), 2 ** -63, 0],
        [[AV_SAMPLE_FMT_FLT, AV_SAMPLE_FMT_FLTP], (b, at, n) => new Float32Array(b, at, n), 1, 0],
        [[AV_SAMPLE_FMT_DBL, AV_SAMPLE_FMT_DBLP], (b, at, n) => new Float64Array(b, at, n), 1, 0],
      ] as const satisfies readonly (readonly [readonly AVSampleFormat[], Reader, number, number])[]
    ).flatMap(([formats, read, scale, zero]) => formats.map((format) => [format, { read, scale, zero }] as const)),
  )

function channelsOf(frame: Frame): readonly Channel[] {
  // The frames of a decoder of sound have a format of samples.
  const format = frame.format as AVSampleFormat
  const reader = FORMATS.get(format)
  const { nbChannels } = frame.channelLayout
  const planes = frame.extendedData ?? frame.data ?? []
  const isPlanar = avSampleFmtIsPlanar(format)
  const width = avGetBytesPerSample(format)
  const count = frame.nbSamples * (isPlanar ? 1 : nbChannels)
  const whole = planes.slice(0, isPlanar ? nbChannels : 1)
  if (
    reader === undefined ||
    whole.length < (isPlanar ? nbChannels : 1) ||
    whole.some(({ length }) => length < count * width)
  ) {
    throw new EngineError(
      'audio.unsupported',
      `The recording’s ${nbChannels} channels can’t be mixed down. Upload it as mono.`,
    )
  }
  const { read, scale, zero } = reader
  const values = whole.map((plane) => read(...aligned(plane, width), count))
  return Array.from({ length: nbChannels }, (_, channel) => ({
    ...{ values: values[isPlanar ? channel : 0]!, first: isPlanar ? 0 : channel, step: isPlanar ? 1 : nbChannels },
    ...{ scale, zero },
  }))
}

/** Typed arrays begin at a multiple of their elements. */
function aligned(plane: Buffer, width: number): readonly [ArrayBufferLike, number] {
  if (plane.byteOffset % width === 0) return [plane.buffer, plane.byteOffset]
  const copy = new Uint8Array(plane)
  return [copy.buffer, 0]
}
