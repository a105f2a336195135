import { EventEmitter } from 'node:events'
import type { JobEvents } from './store.ts'

/**
 * Tells the listeners in this process what a store has committed. They run after the verb and not from within it, so a
 * listener's error is not the verb's.
 */
export class JobEventEmitter {
  readonly #events = new EventEmitter()

  constructor() {
    // Each client that waits for its result listens.
    this.#events.setMaxListeners(0)
  }

  on<Name extends keyof JobEvents>(name: Name, listener: (...event: JobEvents[Name]) => void): Disposable {
    this.#events.on(name, listener)
    return { [Symbol.dispose]: () => void this.#events.off(name, listener) }
  }

  emit<Name extends keyof JobEvents>(name: Name, ...event: JobEvents[Name]): void {
    queueMicrotask(() => this.#events.emit(name, ...event))
  }
}
