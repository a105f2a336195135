import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { FrameBlock } from './frame-blocks.ts'
import { LogMel } from './log-mel.ts'
import type { LogMelValues } from './log-mel.ts'
import type { MelReply, MelRequest } from './mel-thread.ts'

/** Under Node's compiled form the thread's file is JavaScript, too. */
const ENTRY = fileURLToPath(new URL(`./mel-thread${extname(import.meta.url)}`, import.meta.url))

/** Shorter recordings are done before a thread has started: a minute. */
const BLOCKS_ALONE = 6
/** Blocks that the thread has to do: as many as it does while this one decodes without a look at what comes back. */
const BLOCKS_AHEAD = 8

/**
 * The log-mel of a long recording's blocks, shared between this thread, which decodes them, and another one. Each takes about half of an
 * hour's time, so what the other one can't take at once is computed here: both cores are busy to the end.
 */
export class SharedLogMel implements AsyncDisposable {
  readonly #logMel: LogMel
  readonly #waiting: PromiseWithResolvers<LogMelValues>[] = []
  #thread: Worker | undefined
  #blocks = 0
  #isAlone = availableParallelism() === 1

  constructor(bands: number) {
    this.#logMel = new LogMel(bands)
  }

  async compute(block: FrameBlock): Promise<LogMelValues> {
    this.#blocks += 1
    const here = (): LogMelValues => this.#logMel.compute(block.samples, block.frames)
    if (this.#isAlone || this.#blocks <= BLOCKS_ALONE || this.#waiting.length >= BLOCKS_AHEAD) return here()
    const answer = Promise.withResolvers<LogMelValues>()
    this.#waiting.push(answer)
    const thread = (this.#thread ??= this.#start())
    thread.postMessage({ bands: this.#logMel.bands, block } satisfies MelRequest)
    // Where no other thread can be had, this one does it all.
    return await answer.promise.catch(here)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.terminate()
  }

  #start(): Worker {
    const thread = new Worker(ENTRY, { name: 'log-mel' })
    // It answers in the order in which it is asked.
    thread.on('message', (reply: MelReply) => this.#waiting.shift()?.resolve(reply))
    thread.on('error', (error: unknown) => this.#lose(error))
    thread.on('exit', () => this.#lose(new Error('the log-mel’s thread has ended')))
    return thread
  }

  #lose(error: unknown): void {
    this.#isAlone = true
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
