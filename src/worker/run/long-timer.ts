const MAX_TIMER_MS = 2 ** 31 - 1

/** A timer of any length: one of the platform's holds no more than 24 days. */
export function after(ms: number, callback: () => void): Disposable {
  let timer: NodeJS.Timeout
  const wait = (left: number): void => {
    const step = Math.min(left, MAX_TIMER_MS)
    timer = setTimeout(() => (left > step ? wait(left - step) : callback()), step)
  }
  wait(ms)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
