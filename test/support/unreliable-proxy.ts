import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/**
 * - `pass`: forward at once
 * - `delay`: forward each piece so many milliseconds later, as over a long way
 * - `halve`: forward only in every other 10 ms, which halves the bandwidth
 * - `stall`: keep and accept connections, forward nothing, as behind a firewall that forgot them
 * - `drop`: end all connections by a reset, and each new one as soon as it is made
 */
export type Weather =
  | { readonly kind: 'pass' | 'halve' | 'stall' | 'drop' }
  | { readonly kind: 'delay'; readonly ms: number }

const HALVE_MS = 10
/** What is held back in one direction of a connection, before its sender has to wait. */
const HELD_BYTES = 262_144

/** A TCP proxy on a free port of 127.0.0.1 whose weather can change at any time, also for what it holds back. */
export class UnreliableProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #target: { readonly host: string; readonly port: number }
  readonly #flows = new Set<Flow>()
  #weather: Weather = { kind: 'pass' }

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<UnreliableProxy> {
    const proxy = new UnreliableProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The same URL by way of the proxy. */
  through(url: string): string {
    const parts = new URL(url)
    parts.hostname = '127.0.0.1'
    parts.port = String(this.port)
    return parts.href
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#flows.size / 2
  }

  become(weather: Weather): void {
    this.#weather = weather
    for (const flow of this.#flows) {
      if (weather.kind === 'drop') flow.from.resetAndDestroy()
      else flow.advance()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.become({ kind: 'drop' })
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    // A connection without a listener for its errors would end the process.
    client.on('error', () => undefined)
    if (this.#weather.kind === 'drop') {
      client.resetAndDestroy()
      return
    }
    const server = connect({ ...this.#target, allowHalfOpen: true })
    server.on('error', () => client.resetAndDestroy())
    const flows = [new Flow(client, server, () => this.#weather), new Flow(server, client, () => this.#weather)]
    for (const flow of flows) {
      this.#flows.add(flow)
      flow.to.on('close', () => this.#flows.delete(flow))
    }
  }
}

/** One direction of a connection: what has arrived and waits for its time. */
class Flow {
  readonly from: Socket
  readonly to: Socket
  readonly #weather: () => Weather
  /** Null: the sender has ended. */
  readonly #held: { readonly bytes: Buffer | null; readonly arrivedAt: number }[] = []
  #heldBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, weather: () => Weather) {
    this.from = from
    this.to = to
    this.#weather = weather
    from.setNoDelay(true)
    from.on('data', (bytes) => this.#hold(Buffer.from(bytes)))
    from.on('end', () => this.#hold(null))
    // After a proper end there may be more to forward; otherwise nobody is there to hear it.
    from.on('close', () => from.readableEnded || to.destroy())
    to.on('drain', () => this.advance())
    to.on('close', () => clearTimeout(this.#timer))
  }

  /** Forwards what is due now, and comes back for the rest. */
  advance(): void {
    clearTimeout(this.#timer)
    for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
      const weather = this.#weather()
      if (weather.kind === 'stall' || this.to.writableNeedDrain) return
      const waitMs = waitFor(weather, next.arrivedAt)
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.advance(), waitMs)
        return
      }
      this.#held.shift()
      if (next.bytes === null) this.to.end()
      else this.to.write(next.bytes)
      this.#heldBytes -= next.bytes?.length ?? 0
      if (this.#heldBytes <= HELD_BYTES) this.from.resume()
    }
  }

  #hold(bytes: Buffer | null): void {
    this.#held.push({ bytes, arrivedAt: performance.now() })
    this.#heldBytes += bytes?.length ?? 0
    if (this.#heldBytes > HELD_BYTES) this.from.pause()
    this.advance()
  }
}

function waitFor(weather: Weather, arrivedAt: number): number {
  const now = performance.now()
  if (weather.kind === 'delay') return arrivedAt + weather.ms - now
  const phase = now % (2 * HALVE_MS)
  return weather.kind === 'halve' && phase < HALVE_MS ? HALVE_MS - phase : 0
}
