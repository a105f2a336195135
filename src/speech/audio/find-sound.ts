import { FFmpegError } from 'node-av/lib'
import { EngineError } from '../errors.ts'
import { byPreference } from './choose-track.ts'
import { addPowers } from './channel-mix.ts'
import { Container, TrackCodec } from './container.ts'
import type { AudioTrack } from './container.ts'
import { Conversion } from './conversion.ts'
import type { AudioSource } from './decode-audio.ts'
import { FileBytes } from './file-bytes.ts'
import { FileTags } from './tags.ts'
import { TrackReader } from './track-reader.ts'
import type { AudioWarnings } from './warnings.ts'

/** The loudest sample of 16 bits up to which a recording is worth a second look: −34 dB. */
export const QUIET_PEAK = 655
/** Up to which it is silent: −60 dB. */
const SILENT_PEAK = 33
/** A channel that is so much louder than the mix was cancelled by another one: 20 dB. */
const CANCELLED_RATIO = 100
const FULL_SCALE = 2 ** 15
/** Of samples from −1 to 1, up to which a channel is silent. */
const SILENT_POWER = (SILENT_PEAK / FULL_SCALE) ** 2 / 2

/** Each one that is listened to costs as much as decoding the file once more; recorders of conversations write a dozen or two. */
const MAX_TRACKS = 32

interface Loudness {
  /** Of the mix, of 16 bits. */
  peak: number
  mixPower: number
  /** Of each channel, per sample. */
  readonly channelPowers: readonly number[]
}

/**
 * For a recording whose mix is quiet: the track that speaks where the chosen one is silent, and the louder channel where channels cancel
 * each other. In constant memory: the tracks are read once more.
 * @param maxSeconds how much of each track is listened to
 * @returns undefined when there is nothing better to hear
 */
export function* findSound(
  path: string,
  source: AudioSource,
  warnings: AudioWarnings,
  maxSeconds: number | null,
): Generator<undefined, AudioSource | undefined> {
  using file = new FileBytes(path)
  using container = Container.open(path, file, 0)
  const tracks =
    source.track === null
      ? byPreference(container.tracks).slice(0, MAX_TRACKS)
      : container.tracks.slice(source.track, source.track + 1)
  if (tracks.length === 1 && (tracks[0]?.stream.codecpar.channels ?? 0) < 2) return undefined
  let first: AudioTrack | undefined
  for (const track of tracks) {
    const loudness = yield* listen(path, file, track.number, maxSeconds)
    if (loudness === undefined) continue
    first ??= track
    const channel = cancelledChannel(loudness)
    if (channel === undefined && (track === first || loudness.peak <= SILENT_PEAK)) {
      // Quiet is not silent.
      if (loudness.peak > SILENT_PEAK) return undefined
      continue
    }
    tell(warnings, first, track, channel)
    return { track: track.number, channel: channel ?? null }
  }
  return undefined
}

function tell(warnings: AudioWarnings, first: AudioTrack, track: AudioTrack, channel: number | undefined): void {
  if (track !== first) {
    const message = `The audio track ${first.number} is silent; the track ${track.number} was transcribed.`
    warnings.add({ code: 'audio.track_chosen', message })
  }
  if (channel === undefined) return
  const message = `The channels cancel each other when they are mixed; the channel ${channel} alone was transcribed.`
  warnings.add({ code: 'audio.channel_chosen', message })
}

/** The loudest channel, when it is much louder than the mix. */
function cancelledChannel({ mixPower, channelPowers }: Loudness): number | undefined {
  const loudest = Math.max(...channelPowers)
  const isCancelled = channelPowers.length > 1 && loudest > SILENT_POWER && loudest > CANCELLED_RATIO * mixPower
  return isCancelled ? channelPowers.indexOf(loudest) : undefined
}

/** @returns undefined when the track can't be decoded */
function* listen(
  path: string,
  file: FileBytes,
  number: number,
  maxSeconds: number | null,
): Generator<undefined, Loudness | undefined> {
  using container = Container.open(path, file, 0)
  const track = container.tracks[number]
  using codec = track === undefined ? undefined : TrackCodec.open(track)
  if (track === undefined || codec === undefined) return undefined
  container.only(track)
  const sums: number[] = []
  const mix = { peak: 0, sum: 0, samples: 0 }
  let [samples, seconds] = [0, 0]
  let conversion: Conversion | undefined
  try {
    for (const item of new TrackReader(container, track, codec.context, new FileTags(file, 0, file.size)).items()) {
      yield
      if (item.type !== 'frame') continue
      if (conversion?.fits(item.frame) === false) break
      conversion ??= new Conversion(item.frame, null)
      for (const chunk of conversion.push(item.frame)) add(chunk, mix)
      addPowers(item.frame, sums)
      samples += item.frame.nbSamples
      seconds += item.frame.nbSamples / item.frame.sampleRate
      if (maxSeconds !== null && seconds > maxSeconds) break
    }
    for (const chunk of conversion?.finish() ?? []) add(chunk, mix)
  } catch (error) {
    // A track that is only looked at may be as bad as it likes: what was heard of it counts.
    if (!(error instanceof EngineError || error instanceof FFmpegError)) throw error
  } finally {
    conversion?.[Symbol.dispose]()
  }
  if (samples === 0) return undefined
  const mixPower = mix.samples === 0 ? 0 : mix.sum / mix.samples
  return { peak: mix.peak, mixPower, channelPowers: sums.map((sum) => sum / samples) }
}

function add(chunk: Int16Array, mix: { peak: number; sum: number; samples: number }): void {
  for (const sample of chunk) {
    mix.peak = Math.max(mix.peak, Math.abs(sample))
    mix.sum += (sample / FULL_SCALE) ** 2
  }
  mix.samples += chunk.length
}
