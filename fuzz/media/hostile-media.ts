import { ASF } from './asf.ts'
import { FLAC } from './flac.ts'
import { ISO_MEDIA } from './iso-media.ts'
import { Lies } from './lies.ts'
import type { Attack } from './lies.ts'
import { MATROSKA } from './matroska.ts'
import { MPEG_AUDIO } from './mpeg-audio.ts'
import { OGG } from './ogg.ts'
import { RIFF } from './riff.ts'

const CONTAINERS: readonly (readonly Attack[])[] = [ISO_MEDIA, MATROSKA, OGG, MPEG_AUDIO, RIFF, FLAC, ASF]

/** The names of all shapes, for a report that says which of them were sent. */
export const HOSTILE_NAMES: readonly string[] = CONTAINERS.flat().map(({ name }) => name)

const EXTENSIONS = ['wav', 'mp3', 'ogg', 'webm', 'm4a', 'flac', 'wma', 'bin']

/** Few files have an extension of another format: parsers look at the bytes, or at the name. */
const WRONG_EXTENSIONS = 0.05

export interface HostileFile {
  readonly name: string
  readonly extension: string
  readonly bytes: Buffer
}

/**
 * A media file that is well formed enough to get deep into a parser, and lies there: huge counts, depths, offsets and sizes, floods of
 * what is small, references that lead back. Up to about two megabytes.
 * @param random from 0 to before 1; the same numbers give the same file
 */
export function hostileMedia(random: () => number): HostileFile {
  const lies = new Lies(random)
  const { name, extensions, build } = lies.pick(lies.pick(CONTAINERS))
  const bytes = build(lies)
  return { name, extension: lies.pick(lies.chance(WRONG_EXTENSIONS) ? EXTENSIONS : extensions), bytes }
}
