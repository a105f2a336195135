interface Measured {
  audioSeconds: number
  busyMs: number
  running: number
  sinceMs: number
}

/** Older work counts half, again and again, so that a change of load or of the machine shows within minutes. */
const MEMORY_MS = 120_000

/** How fast a worker goes: seconds of audio for each second in which it runs at least one job of a model. */
export class SpeedMeter {
  readonly #models = new Map<string, Measured>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** A job of the model runs until what this gives is disposed. */
  run(model: string): Disposable {
    const measured = this.#settled(model)
    measured.running += 1
    return {
      [Symbol.dispose]: () => {
        this.#settled(model).running -= 1
      },
    }
  }

  /** So much audio has been transcribed. */
  add(model: string, audioSeconds: number): void {
    const measured = this.#settled(model)
    measured.audioSeconds += audioSeconds
    if (measured.busyMs < MEMORY_MS) return
    measured.busyMs /= 2
    measured.audioSeconds /= 2
  }

  /** Of each model that has been measured. */
  speeds(): Readonly<Record<string, number>> {
    const speeds: Record<string, number> = {}
    for (const model of this.#models.keys()) {
      const { audioSeconds, busyMs } = this.#settled(model)
      if (audioSeconds > 0 && busyMs > 0) speeds[model] = (1000 * audioSeconds) / busyMs
    }
    return speeds
  }

  #settled(model: string): Measured {
    const now = this.#nowMs()
    const measured = this.#models.get(model) ?? { audioSeconds: 0, busyMs: 0, running: 0, sinceMs: now }
    if (measured.running > 0) measured.busyMs += now - measured.sinceMs
    measured.sinceMs = now
    this.#models.set(model, measured)
    return measured
  }
}
