import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fixture } from '../support/clips.ts'
import { ChaosClient } from './clients.ts'
import type { ClientOptions } from './clients.ts'
import { disturb } from './disturbance.ts'
import type { Disturbance, Occurrence } from './disturbance.ts'
import type { ChaosOptions } from './report.ts'
import { judge } from './verdict.ts'
import type { Verdict } from './verdict.ts'

const CLIPS = ['en-short.wav', 'en-two-voices.mp3', 'es-short.ogg', 'de-short.webm', 'es-long.mp3'].map(fixture)
const SETTLE_MS = 240_000

/** Clients that work while things go wrong, whatever the setup that they work with. */
export class Campaign {
  readonly #options: ClientOptions
  readonly #watcher: ChaosClient
  readonly #texts: ReadonlyMap<string, string>
  readonly #users: ChaosClient[] = []

  private constructor(options: ClientOptions, watcher: ChaosClient, texts: ReadonlyMap<string, string>) {
    this.#options = options
    this.#watcher = watcher
    this.#texts = texts
  }

  /** Learns what each clip says, while nothing goes wrong. */
  static async start(given: Omit<ClientOptions, 'clips'>): Promise<Campaign> {
    const options = { ...given, clips: CLIPS }
    const watcher = new ChaosClient({ baseUrl: given.baseUrl, key: given.key, random: given.random, clips: CLIPS })
    return new Campaign(options, watcher, await undisturbedTexts(watcher))
  }

  /**
   * Disturbs while clients work, then waits for their jobs and looks at each.
   * @param settle called in between
   */
  async run(
    disturbances: readonly Disturbance[],
    { seconds, clients, pauseMs }: ChaosOptions,
    settle: () => void = () => undefined,
  ): Promise<{ readonly verdict: Verdict; readonly occurrences: readonly Occurrence[] }> {
    const { random } = this.#options
    const signal = AbortSignal.timeout(seconds * 1000)
    for (let n = 0; n < clients; n++) this.#users.push(new ChaosClient(this.#options))
    const [occurrences] = await Promise.all([
      disturb(disturbances, { pauseMs, random, signal }),
      ...this.#users.map((user) => user.run(signal)),
    ])
    settle()
    return { verdict: await this.judge(), occurrences }
  }

  /** Waits for all its jobs and looks at each. */
  async judge(): Promise<Verdict> {
    const { receiver } = this.#options
    receiver?.settle()
    return await judge(this.#watcher, this.#jobs, { texts: this.#texts, receiver }, SETTLE_MS)
  }

  /** Removes all its jobs. */
  async clear(): Promise<void> {
    for (const { id } of this.#jobs) await this.#watcher.remove(id)
  }

  /** Whether a path is that of an upload which its client gave up. */
  isGivenUp(path: string): boolean {
    return this.#users.some(({ givenUp }) => givenUp.includes(basename(path)))
  }

  get #jobs(): ChaosClient['jobs'] {
    return this.#users.flatMap((user) => user.jobs)
  }
}

async function undisturbedTexts(client: ChaosClient): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>()
  for (const clip of CLIPS) {
    const { id } = await client.send(clip)
    for (;;) {
      const { status, result } = await client.poll(id)
      if (status === 'success') {
        texts.set(clip, result?.text ?? '')
        break
      }
      if (status === 'failed') throw new Error(`${clip} failed without any disturbance`)
      await delay(50)
    }
    await client.remove(id)
  }
  return texts
}
