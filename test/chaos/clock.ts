import { renameSync, writeFileSync } from 'node:fs'
import { choose } from '../support/random.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const JUMPS_MS = [-2 * HOUR_MS, -10 * MINUTE_MS, -1000, 1000, 10 * MINUTE_MS, 2 * HOUR_MS]

/** The file that a process with `clockEnvironment` reads its clock from. */
export class JumpingClock {
  readonly #path: string
  #offsetMs = 0
  #furthestMs = 0

  constructor(path: string) {
    this.#path = path
    this.#write()
  }

  jump(random: () => number): void {
    this.#offsetMs = choose(JUMPS_MS, random)
    this.#furthestMs = Math.max(this.#furthestMs, this.#offsetMs)
    this.#write()
  }

  /** Beyond all that it has been: what was put off to a time that it has jumped back from is due. */
  settle(): void {
    this.#offsetMs = this.#furthestMs + HOUR_MS
    this.#write()
  }

  /** Whole or not at all. */
  #write(): void {
    writeFileSync(`${this.#path}.new`, String(Math.round(this.#offsetMs)))
    renameSync(`${this.#path}.new`, this.#path)
  }
}
