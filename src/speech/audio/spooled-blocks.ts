import type { FrameBlock } from './frame-blocks.ts'
import { SharedLogMel } from './shared-log-mel.ts'
import type { Spool } from './spool.ts'

/** Blocks whose log-mel is on its way to the spool: what is held in memory is bounded where the disk is slow. */
const MAX_UNWRITTEN = 16

/** Computes the log-mel of blocks, several at a time, and writes it to where it belongs. */
export class SpooledBlocks implements AsyncDisposable {
  readonly #spool: Spool
  readonly #logMel: SharedLogMel
  readonly #unwritten = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined
  #peak = 0

  constructor(spool: Spool) {
    this.#spool = spool
    this.#logMel = new SharedLogMel(spool.bands)
  }

  /** @throws what kept an earlier block from being written */
  async add(block: FrameBlock): Promise<void> {
    const written = this.#write(block).catch((error: unknown) => {
      this.#failure ??= { error }
    })
    this.#unwritten.add(written)
    void written.then(() => this.#unwritten.delete(written))
    if (this.#unwritten.size >= MAX_UNWRITTEN) await Promise.race(this.#unwritten)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /**
   * Waits until all is written.
   * @returns the loudest sample
   */
  async end(): Promise<number> {
    await Promise.all(this.#unwritten)
    if (this.#failure !== undefined) throw this.#failure.error
    return this.#peak
  }

  /** What is being written still is waited for, since the spool's file is closed behind it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#logMel[Symbol.asyncDispose]()
    await Promise.all(this.#unwritten)
  }

  async #write(block: FrameBlock): Promise<void> {
    const computed = await this.#logMel.compute(block)
    this.#peak = Math.max(this.#peak, computed.peak)
    await this.#spool.write(computed, block.firstFrame)
  }
}
