import { setTimeout as delay } from 'node:timers/promises'

/** Whether a promise is settled, one way or the other, before so long. */
export async function isSettledWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const enough = new AbortController()
  try {
    const settled = promise.then(
      () => true,
      () => true,
    )
    return await Promise.race([settled, delay(ms, false, { signal: enough.signal })])
  } finally {
    enough.abort()
  }
}
