/** Timestamps that are later than the sound so far by less are those of encoders' padding, rounding and clocks. */
const TOLERATED_LAG_SECONDS = 0.1
/** Between two frames that follow each other; less is rounding. */
const TOLERATED_JUMP_SECONDS = 0.01
/** Jumps further than this, or so far back, are no pause: a clock was set, or another recording begins. */
const MAX_JUMP_SECONDS = 3600
const MAX_JUMP_BACK_SECONDS = 1

export interface Place {
  /** Silence that belongs before the frame. */
  readonly silenceSeconds: number
  /** How far its timestamp jumped, when that is too far to be followed; else 0. */
  readonly ignoredSeconds: number
}

const HERE: Place = { silenceSeconds: 0, ignoredSeconds: 0 }

/** Keeps a track's sound at the place in time that its timestamps tell. */
export class TrackClock {
  readonly #zero: number | undefined
  /** What is added to a timestamp for its place in the recording; undefined before the first one. */
  #offset: number | undefined
  /** Where the frames so far end, by their own timestamps. */
  #end = 0

  /** @param zero the container's first timestamp, which times count from; undefined: the track's own first one */
  constructor(zero: number | undefined) {
    this.#zero = zero
  }

  /**
   * @param at the frame's timestamp in seconds, if it has one
   * @param duration its seconds
   * @param position seconds of the recording so far
   */
  place(at: number | undefined, duration: number, position: number): Place {
    if (at === undefined) {
      this.#end += duration
      return HERE
    }
    const place = this.#offset === undefined ? this.#begin(at, position) : this.#follow(this.#offset, at, position)
    this.#offset = place.offset
    this.#end = at + duration
    return place
  }

  #begin(at: number, position: number): Place & { readonly offset: number } {
    const lead = at - (this.#zero ?? at)
    const isLate = lead > TOLERATED_LAG_SECONDS && lead <= MAX_JUMP_SECONDS
    const silenceSeconds = isLate ? lead : 0
    return { silenceSeconds, ignoredSeconds: 0, offset: position + silenceSeconds - at }
  }

  #follow(offset: number, at: number, position: number): Place & { readonly offset: number } {
    const jump = at - this.#end
    if (jump > MAX_JUMP_SECONDS) return { silenceSeconds: 0, ignoredSeconds: jump, offset: position - at }
    if (jump < -MAX_JUMP_BACK_SECONDS) return { ...HERE, offset: position - at }
    const lag = at + offset - position
    const silenceSeconds = lag > TOLERATED_LAG_SECONDS && jump > TOLERATED_JUMP_SECONDS ? lag : 0
    return { silenceSeconds, ignoredSeconds: 0, offset }
  }
}
