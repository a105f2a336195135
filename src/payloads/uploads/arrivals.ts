import type { Readable } from 'node:stream'
import { PayloadError } from '../errors.ts'
import { bytesOf } from '../receive.ts'

const EVENTS = ['readable', 'end', 'error', 'close'] as const

/**
 * The chunks of a body as they arrive, also those that arrived before it broke off, which ends in `payload.interrupted`. When
 * `stop` aborts, it ends with the signal's reason and without waiting for the body, which stays open so that its sender can be
 * answered: the body's own iterator can't be left while it waits.
 */
export async function* arrivalsOf(body: Readable, stop: AbortSignal): AsyncGenerator<Uint8Array> {
  let wake = (): void => undefined
  const onEvent = (): void => wake()
  for (const event of EVENTS) body.on(event, onEvent)
  stop.addEventListener('abort', onEvent)
  try {
    for (;;) {
      const { promise: woken, resolve } = Promise.withResolvers<void>()
      wake = resolve
      stop.throwIfAborted()
      const data: unknown = body.read()
      if (data !== null) {
        yield bytesOf(data)
        continue
      }
      if (body.readableEnded) return
      if (body.destroyed) throw interrupted(body.errored)
      await woken
    }
  } finally {
    for (const event of EVENTS) body.off(event, onEvent)
    stop.removeEventListener('abort', onEvent)
  }
}

function interrupted(cause: Error | null): PayloadError {
  return new PayloadError('payload.interrupted', 'The payload broke off before its end. Send the rest.', { cause })
}
