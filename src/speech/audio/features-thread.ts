import { parentPort } from 'node:worker_threads'
import { EngineError } from '../errors.ts'
import type { EngineErrorCode } from '../errors.ts'
import { computeFeatures } from './features.ts'
import type { RawFeatures } from './features.ts'

/** What the thread is asked for. `id` tells the recordings apart, of which it reads several side by side. */
export type FeaturesRequest =
  | {
      readonly type: 'compute'
      readonly id: number
      readonly path: string
      readonly melBands: number
      readonly temporaryFolder: string
      readonly maxSeconds: number | null
      readonly audioTrack: number | null
    }
  | { readonly type: 'abort'; readonly id: number }

export type FeaturesReply =
  | { readonly type: 'progress'; readonly id: number; readonly seconds: number }
  | { readonly type: 'done'; readonly id: number; readonly raw: RawFeatures }
  | { readonly type: 'failed'; readonly id: number; readonly code: EngineErrorCode | null; readonly error: unknown }

// The thread's own side: this file is an entry like `main.ts`, and does nothing where it is not started as a thread.
const port = parentPort
const running = new Map<number, AbortController>()
port?.on('message', (request: FeaturesRequest) => {
  if (request.type === 'abort') running.get(request.id)?.abort()
  else void compute(request)
})

async function compute({ id, path, ...options }: FeaturesRequest & { type: 'compute' }): Promise<void> {
  const controller = new AbortController()
  running.set(id, controller)
  const reply = (message: FeaturesReply): void => port?.postMessage(message)
  try {
    const raw = await computeFeatures(path, {
      ...options,
      signal: controller.signal,
      onProgress: (seconds) => reply({ type: 'progress', id, seconds }),
    })
    // A file handle is moved to the other thread, not copied.
    const transfer: unknown = raw.file
    port?.postMessage({ type: 'done', id, raw } satisfies FeaturesReply, [transfer as never])
  } catch (error) {
    reply({ type: 'failed', id, code: error instanceof EngineError ? error.code : null, error })
  } finally {
    running.delete(id)
  }
}
