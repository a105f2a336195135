import type { Clip } from './clips.ts'
import type { DraftSegment } from './segments.ts'
import type { WhisperSegment } from './whisper-transcript.ts'
import type { DecodedWindow } from '../resume/window-record.ts'

/** How far each clip of a recording is transcribed. */
export class ClipProgress {
  readonly #clips: readonly Clip[]
  /** Of each clip: where its next window begins, in frames, and what its windows say. */
  readonly #seeks: number[]
  readonly #segments: DraftSegment[][]
  #windows = 0
  #furthest = 0
  /** Segments that have been told. */
  #told = 0

  constructor(clips: readonly Clip[]) {
    this.#clips = clips
    this.#seeks = clips.map(({ start }) => start)
    this.#segments = clips.map(() => [])
  }

  /** Windows that are finished. */
  get windows(): number {
    return this.#windows
  }

  /** Frames up to which the window reaches that reaches the furthest. */
  get furthest(): number {
    return this.#furthest
  }

  /** Of all clips, in their order. */
  get segments(): WhisperSegment[] {
    return numbered(this.#segments.flat())
  }

  /** Indices of the clips that have further windows. */
  get unfinished(): readonly number[] {
    return [...this.#clips.keys()].filter((clip) => this.rest(clip) !== undefined)
  }

  /** What a clip's next window begins; undefined when the clip is finished. */
  rest(index: number): Clip | undefined {
    const start = this.#seeks[index]
    const end = this.#clips[index]?.end
    return start === undefined || end === undefined || start >= end ? undefined : { start, end }
  }

  /** Whether a window is the next one of its clip. */
  isNext({ clip, seek, next }: DecodedWindow): boolean {
    return this.rest(clip)?.start === seek && next > seek
  }

  /**
   * Segments that were not told before and have their place in the transcript: those of a clip wait until the clips before it are finished.
   */
  tell(): { readonly firstSegment: number; readonly segments: readonly WhisperSegment[] } {
    const first = this.#clips.findIndex((_, clip) => this.rest(clip) !== undefined)
    const placed = (first === -1 ? this.#segments : this.#segments.slice(0, first + 1)).flat()
    const firstSegment = this.#told
    this.#told = placed.length
    return { firstSegment, segments: numbered(placed.slice(firstSegment), firstSegment) }
  }

  add({ clip, next, segments }: DecodedWindow): void {
    this.#segments[clip]?.push(...segments)
    this.#seeks[clip] = next
    this.#windows += 1
    this.#furthest = Math.max(this.#furthest, next)
  }
}

function numbered(segments: readonly DraftSegment[], first = 0): WhisperSegment[] {
  return segments.map((segment, index) => ({ id: first + index, ...segment }))
}
