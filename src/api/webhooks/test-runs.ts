import { ApiError } from '../errors/api-error.ts'

/** Of one key. Each holds a connection for as long as a receiver takes. */
const MAX_TESTS = 4

/** Tests of webhooks that are under way. */
export class TestRuns {
  readonly #byKey = new Map<string, number>()

  /** @throws ApiError 429 */
  begin(keyId: string): Disposable {
    const running = this.#byKey.get(keyId) ?? 0
    if (running >= MAX_TESTS) {
      throw new ApiError(429, `${MAX_TESTS} tests of this API key’s webhooks are under way. Wait for one of them.`, {
        headers: { 'retry-after': '15' },
      })
    }
    this.#byKey.set(keyId, running + 1)
    return { [Symbol.dispose]: () => this.#end(keyId) }
  }

  #end(keyId: string): void {
    const running = (this.#byKey.get(keyId) ?? 1) - 1
    if (running === 0) this.#byKey.delete(keyId)
    else this.#byKey.set(keyId, running)
  }
}
