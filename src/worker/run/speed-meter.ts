/** A job that runs: from its first window on until it is disposed. */
export interface MeteredRun extends Disposable {
  /** So much more of its audio has been transcribed. */
  add(audioSeconds: number): void
}

interface Measured {
  /** What its loaded model let expect, before anything was transcribed. */
  expected: number | undefined
  /** What was transcribed, and how long its jobs took for that, each for itself. */
  audioSeconds: number
  coveredMs: number
  /** How long jobs ran, each for itself, and how long at least one did: so many ran together. */
  jobMs: number
  busyMs: number
  running: number
  sinceMs: number
  /** Whether what the first windows took, for which memory was got and read for the first time, counts no more. */
  isWarm: boolean
  /** Its speed when somebody was told of it last. */
  told: number
}

/** Half-life of the exponential decay of older work, so that a change of load or of the machine shows within minutes. */
const MEMORY_MS = 120_000
/** Less is the rest of a window, which takes as long as a whole one, or nothing. */
const MIN_PIECE_SECONDS = 1
/** Half a window: one that is by itself a measure. */
const MEASURE_SECONDS = 15
/** A model that has transcribed so much is warm, in however short pieces. */
const WARM_SECONDS = 600
/** Another speed is news when it differs by so much. */
const NEWS_RATIO = 1.25

export interface SpeedMeterOptions {
  readonly nowMs?: () => number
  /** Called when a speed is known, and when it has changed much. */
  readonly onNews?: () => void
}

/**
 * How fast a worker goes: seconds of audio for each second in which it runs at least one job of a model. What a job has under way counts
 * as well, as if it went as fast as what was finished, so that one window of one of eight jobs tells the speed of all.
 */
export class SpeedMeter {
  readonly #models = new Map<string, Measured>()
  readonly #nowMs: () => number
  readonly #onNews: () => void

  constructor({ nowMs = () => performance.now(), onNews = () => undefined }: SpeedMeterOptions = {}) {
    this.#nowMs = nowMs
    this.#onNews = onNews
  }

  /** The model is loaded, and is expected to transcribe so many seconds of audio in a second: that counts until it has done so. */
  expect(model: string, speed: number): void {
    const measured = this.#settled(model)
    measured.expected = speed
    this.#tell(measured)
  }

  /** A job of the model begins its first window. */
  run(model: string): MeteredRun {
    this.#settled(model).running += 1
    let sinceMs = this.#nowMs()
    let adds = 0
    return {
      add: (audioSeconds) => {
        if (audioSeconds < MIN_PIECE_SECONDS) return
        const nowMs = this.#nowMs()
        this.#add(model, { audioSeconds, tookMs: nowMs - sinceMs, isFirst: adds === 0 })
        sinceMs = nowMs
        adds += 1
      },
      [Symbol.dispose]: () => {
        this.#settled(model).running -= 1
      },
    }
  }

  /** Of each model that has been measured, or of which something can be expected. */
  speeds(): Readonly<Record<string, number>> {
    const speeds: Record<string, number> = {}
    for (const model of this.#models.keys()) {
      const speed = speedOf(this.#settled(model))
      if (speed !== undefined) speeds[model] = speed
    }
    return speeds
  }

  #add(
    model: string,
    piece: { readonly audioSeconds: number; readonly tookMs: number; readonly isFirst: boolean },
  ): void {
    const measured = this.#settled(model)
    const { audioSeconds, tookMs, isFirst } = piece
    if (!measured.isWarm && !isFirst && audioSeconds >= MEASURE_SECONDS) {
      measured.audioSeconds = 0
      measured.coveredMs = 0
      measured.isWarm = true
    }
    measured.audioSeconds += audioSeconds
    measured.coveredMs += tookMs
    measured.isWarm ||= measured.audioSeconds >= WARM_SECONDS
    if (measured.busyMs >= MEMORY_MS) halve(measured)
    this.#tell(measured)
  }

  #tell(measured: Measured): void {
    const speed = speedOf(measured)
    if (speed === undefined || Math.max(speed / measured.told, measured.told / speed) < NEWS_RATIO) return
    measured.told = speed
    this.#onNews()
  }

  #settled(model: string): Measured {
    const now = this.#nowMs()
    const measured = this.#models.get(model) ?? {
      ...{
        expected: undefined,
        audioSeconds: 0,
        coveredMs: 0,
        jobMs: 0,
        busyMs: 0,
        running: 0,
        sinceMs: now,
        isWarm: false,
        told: 0,
      },
    }
    const passedMs = now - measured.sinceMs
    measured.jobMs += measured.running * passedMs
    if (measured.running > 0) measured.busyMs += passedMs
    measured.sinceMs = now
    this.#models.set(model, measured)
    return measured
  }
}

/** Of one job, times how many run together; before anything was transcribed what is expected, if anything is. */
function speedOf({ expected, audioSeconds, coveredMs, jobMs, busyMs }: Measured): number | undefined {
  if (audioSeconds === 0 || coveredMs <= 0 || busyMs <= 0) return expected
  return ((1000 * audioSeconds) / coveredMs) * (jobMs / busyMs)
}

function halve(measured: Measured): void {
  measured.audioSeconds /= 2
  measured.coveredMs /= 2
  measured.jobMs /= 2
  measured.busyMs /= 2
}
