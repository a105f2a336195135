import type { Cells } from './cells.ts'
import type { StepOutputs } from './reading.ts'
import type { Alignment, ReadOptions, Scores, Slot } from './slot.ts'

/** A slot whose sequences share cells; where the cells' keys and values lie is its decoder's business. */
export abstract class CellSlot implements Slot {
  readonly cells: Cells
  #length = 0

  constructor(cells: Cells) {
    this.cells = cells
  }

  get length(): number {
    return this.#length
  }

  abstract encode(mel: Float32Array): Promise<Float32Array>
  abstract [Symbol.dispose](): void

  restart(): void {
    this.cells.clear()
    this.#length = 0
  }

  rearrange(parents: readonly number[]): void {
    this.cells.rearrange(parents)
  }

  async read(tokens: readonly number[], logitsAt: readonly number[], options: ReadOptions = {}): Promise<Scores> {
    return await this.ask(tokens, logitsAt, { ...options, isAlignment: false })
  }

  async align(tokens: readonly number[], logitsAt: readonly number[]): Promise<Alignment> {
    this.restart()
    return await this.ask(tokens, logitsAt, { wantsLogits: true, isAlignment: true })
  }

  /** Its sequences have read t tokens each, whose keys and values are kept in these cells, [sequences, t]. */
  show(cells: readonly number[]): void {
    const { sequences } = this.cells
    const t = cells.length / sequences
    for (let sequence = 0; sequence < sequences; sequence++) {
      this.cells.show(sequence, cells.slice(sequence * t, (sequence + 1) * t))
    }
    this.#length += t
  }

  /** Has the decoder read for it. */
  protected abstract ask(
    tokens: readonly number[],
    logitsAt: readonly number[],
    options: ReadOptions & { readonly isAlignment: boolean },
  ): Promise<StepOutputs>
}
