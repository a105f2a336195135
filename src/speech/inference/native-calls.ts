/** Calls of ONNX Runtime in this process. On a device one may hang while the event loop goes on. */
export class NativeCalls {
  #begun = 0
  #ended = 0
  #endedBefore = 0

  async track<Result>(call: Promise<Result>): Promise<Result> {
    this.#begun += 1
    try {
      return await call
    } finally {
      this.#ended += 1
    }
  }

  /** Whether none runs, or one has ended since it was asked last. */
  advance(): boolean {
    const hasEnded = this.#ended !== this.#endedBefore
    this.#endedBefore = this.#ended
    return hasEnded || this.#begun === this.#ended
  }
}

export const nativeCalls = new NativeCalls()
