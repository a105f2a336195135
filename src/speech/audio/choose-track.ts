import { EngineError } from '../errors.ts'
import { TrackCodec, codecName } from './container.ts'
import type { AudioTrack, Container } from './container.ts'
import type { AudioWarnings } from './warnings.ts'

export interface ChosenTrack {
  readonly track: AudioTrack
  readonly codec: TrackCodec
}

/**
 * @param wanted a track's number; null: the container's default one, else the first, or else the next that can be decoded
 * @throws EngineError `audio.no_audio_stream`, `audio.unsupported`; `input.invalid` when there is no such track
 */
export function chooseTrack(container: Container, wanted: number | null, warnings: AudioWarnings): ChosenTrack {
  const { tracks } = container
  if (tracks.length === 0) {
    throw new EngineError('audio.no_audio_stream', 'The file has no audio stream. Upload one that has sound.')
  }
  const candidates = wanted === null ? byPreference(tracks) : tracks.slice(wanted, wanted + 1)
  if (candidates.length === 0) throw noSuchTrack(wanted, tracks.length)
  for (const track of candidates) {
    const codec = TrackCodec.open(track)
    if (codec === undefined) continue
    if (track !== candidates[0]) {
      const message = `The audio track ${candidates[0]?.number} can’t be decoded; the track ${track.number} was transcribed.`
      warnings.add({ code: 'audio.track_chosen', message })
    }
    return { track, codec }
  }
  const codecs = candidates.map(codecName).join(', ')
  throw new EngineError('audio.unsupported', `The audio in the file has a codec that can’t be decoded: ${codecs}.`)
}

/** The default one first. */
export function byPreference(tracks: readonly AudioTrack[]): readonly AudioTrack[] {
  return tracks.toSorted((one, other) => Number(other.isDefault) - Number(one.isDefault))
}

function noSuchTrack(wanted: number | null, count: number): EngineError {
  const there = count === 1 ? 'one audio track, 0' : `${count} audio tracks, 0 to ${count - 1}`
  return new EngineError('input.invalid', `input.audio_track is ${wanted}, and the file has ${there}.`)
}
