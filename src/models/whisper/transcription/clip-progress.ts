import type { Clip } from './clips.ts'
import type { DraftSegment } from './segments.ts'
import type { DecodedWindow } from '../resume/window-record.ts'

/** How far each clip of a recording is transcribed. */
export class ClipProgress {
  readonly #clips: readonly Clip[]
  /** Of each clip: where its next window begins, in frames, and what its windows say. */
  readonly #seeks: number[]
  readonly #segments: DraftSegment[][]
  #windows = 0
  #furthest = 0

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
  get segments(): readonly DraftSegment[] {
    return this.#segments.flat()
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

  add({ clip, next, segments }: DecodedWindow): void {
    this.#segments[clip]?.push(...segments)
    this.#seeks[clip] = next
    this.#windows += 1
    this.#furthest = Math.max(this.#furthest, next)
  }
}
