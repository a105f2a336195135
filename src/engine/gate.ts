/** A gate in front of windows: closing it lets none in, and tells when the last one inside has left (quiescence). */
export class Gate {
  readonly #onEmpty: () => void
  #isOpen = true
  #inside = 0
  #waiting: (() => void)[] = []

  /** @param onEmpty called when it is closed and nobody is inside */
  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty
  }

  open(): void {
    this.#isOpen = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const enter of waiting) enter()
  }

  close(): void {
    this.#isOpen = false
    if (this.#inside === 0) this.#onEmpty()
  }

  /** Waits until it is open; disposing of what it gives leaves. */
  async enter(): Promise<Disposable> {
    while (!this.#isOpen) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#inside += 1
    return {
      [Symbol.dispose]: () => {
        this.#inside -= 1
        if (!this.#isOpen && this.#inside === 0) this.#onEmpty()
      },
    }
  }
}
