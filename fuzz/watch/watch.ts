import type { Server } from '../../test/support/server.ts'
import { Pinger } from './pinger.ts'
import type { PingFigures } from './pings.ts'
import { enginesBelow, residentBytes } from './processes.ts'

const MAX_ANSWER_MS = 1000
const GROWTH_BYTES = 300 * 2 ** 20
const SAMPLE_MS = 100
/** Samples in a row with too many engine processes: an engine that was killed is there a little longer than its successor. */
const SUSPICIOUS_SAMPLES = 30

export interface WatchFigures extends PingFigures {
  readonly residentStartBytes: number
  readonly residentPeakBytes: number
  /** Engine processes at the same time. */
  readonly enginesPeak: number
}

export interface WatchOptions {
  /** Engine processes that may be there at the same time. */
  readonly engines: number
}

/** Watches from outside what a server must keep while it is fuzzed: it answers, stays as big as it is, and has one engine process. */
export class Watch implements AsyncDisposable {
  readonly #server: Server
  readonly #pinger: Pinger
  readonly #options: WatchOptions
  readonly #timer: NodeJS.Timeout
  #startBytes: number
  #peakBytes: number
  #enginesPeak = 0
  #suspicious = 0
  #hasTooManyEngines = false

  private constructor(server: Server, pinger: Pinger, bytes: number, options: WatchOptions) {
    this.#server = server
    this.#pinger = pinger
    this.#options = options
    this.#startBytes = bytes
    this.#peakBytes = bytes
    this.#timer = setInterval(() => void this.#sample(), SAMPLE_MS)
  }

  /** To be started when the server is warm: what it grows by is counted from here. */
  static async start(server: Server, options: WatchOptions): Promise<Watch> {
    const pinger = await Pinger.start(`${server.url}/healthz`)
    return new Watch(server, pinger, (await residentBytes(server.pid)) ?? 0, options)
  }

  async figures(): Promise<WatchFigures> {
    return {
      ...(await this.#pinger.figures()),
      ...{ residentStartBytes: this.#startBytes, residentPeakBytes: this.#peakBytes, enginesPeak: this.#enginesPeak },
    }
  }

  /** What the server did not keep; each says what and by how much. */
  async faults(): Promise<readonly string[]> {
    const { longestMs, controlLongestMs, longestOwnMs, unanswered } = await this.#pinger.figures()
    const faults: string[] = []
    if (longestOwnMs > MAX_ANSWER_MS) {
      faults.push(
        `/healthz took ${Math.round(longestMs)} ms, ${Math.round(longestOwnMs)} ms more than the control did meanwhile ` +
          `(longest of the control: ${Math.round(controlLongestMs)} ms)`,
      )
    }
    if (unanswered > 0) faults.push(`/healthz had no answer ${unanswered} times`)
    const grown = this.#peakBytes - this.#startBytes
    if (grown > GROWTH_BYTES) faults.push(`the server grew by ${inMegabytes(grown)} MB`)
    if (this.#hasTooManyEngines) faults.push(`${this.#enginesPeak} engine processes at the same time`)
    return faults
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#pinger[Symbol.asyncDispose]()
  }

  async #sample(): Promise<void> {
    const bytes = (await residentBytes(this.#server.pid)) ?? 0
    this.#peakBytes = Math.max(this.#peakBytes, bytes)
    const { length: engines } = await enginesBelow(this.#server.pid)
    this.#enginesPeak = Math.max(this.#enginesPeak, engines)
    this.#suspicious = engines > this.#options.engines ? this.#suspicious + 1 : 0
    if (this.#suspicious > SUSPICIOUS_SAMPLES) this.#hasTooManyEngines = true
  }
}

/** Of two servers: the worse of both, and all pings. */
export function worseOf(one: WatchFigures, other: WatchFigures): WatchFigures {
  const worst = (figure: keyof WatchFigures): number => Math.max(one[figure], other[figure])
  return {
    pings: one.pings + other.pings,
    unanswered: one.unanswered + other.unanswered,
    ...{ longestMs: worst('longestMs'), longestOwnMs: worst('longestOwnMs') },
    ...{ controlLongestMs: worst('controlLongestMs'), enginesPeak: worst('enginesPeak') },
    ...{ residentStartBytes: worst('residentStartBytes'), residentPeakBytes: worst('residentPeakBytes') },
  }
}

export function describeFigures(figures: WatchFigures): string {
  const { pings, longestMs, longestOwnMs, controlLongestMs, residentStartBytes, residentPeakBytes, enginesPeak } =
    figures
  return (
    `/healthz ${pings} times, longest ${Math.round(longestMs)} ms (own ${Math.round(longestOwnMs)} ms; control ${Math.round(controlLongestMs)} ms), ` +
    `resident ${inMegabytes(residentStartBytes)} → ${inMegabytes(residentPeakBytes)} MB, engine processes ${enginesPeak}`
  )
}

function inMegabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
