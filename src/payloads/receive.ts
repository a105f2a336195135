import type { Readable } from 'node:stream'
import { PayloadError } from './errors.ts'
import type { WriteOptions } from './write-options.ts'

/** Takes bytes, such as a file; says how many of those from `offset` on it took. */
export interface ByteSink {
  write(chunk: Uint8Array, offset: number): Promise<{ readonly bytesWritten: number }>
}

/**
 * Writes a body to a file, or whatever takes bytes, as it comes, one chunk in memory at a time; says how many bytes there were.
 * Errors of the file are thrown as they are.
 */
export async function receive(
  body: Readable,
  file: ByteSink,
  { maxBytes = Infinity, signal }: Pick<WriteOptions, 'maxBytes' | 'signal'>,
): Promise<number> {
  const abort = (): void => void body.destroy()
  signal?.throwIfAborted()
  signal?.addEventListener('abort', abort, { once: true })
  let bytes = 0
  try {
    for await (const data of chunksOf(body)) {
      const chunk = bytesOf(data)
      bytes += chunk.length
      if (bytes > maxBytes) {
        throw new PayloadError('payload.too_large', `The payload has more than the ${maxBytes} bytes that it may have.`)
      }
      await writeAll(file, chunk)
    }
    return bytes
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** Leaves the body open when the loop over it ends early: destroying a request would cut off the answer to it. */
async function* chunksOf(body: Readable): AsyncGenerator {
  try {
    yield* body.iterator({ destroyOnReturn: false })
  } catch (cause) {
    throw new PayloadError('payload.interrupted', 'The payload broke off before its end. Send it again.', { cause })
  }
}

export function bytesOf(data: unknown): Uint8Array {
  if (data instanceof Uint8Array) return data
  if (typeof data === 'string') return Buffer.from(data)
  throw new TypeError(`A payload consists of bytes, not of values of type ${typeof data}.`)
}

/** Writes a whole chunk. */
export async function writeAll(file: ByteSink, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, written)
    written += bytesWritten
  }
}
