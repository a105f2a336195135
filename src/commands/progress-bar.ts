import process from 'node:process'
import { Presets, SingleBar } from 'cli-progress'
import type { DownloadProgress } from '../models/model-cache.ts'

export interface ProgressBar extends Disposable {
  update(done: number, total: number): void
}

/**
 * A bar on a terminal; nothing where the stream is none.
 * @param format cli-progress's, with {bar}, {percentage}, {done} and {total}
 */
export function showProgress(stream: NodeJS.WriteStream, format: string): ProgressBar {
  if (!stream.isTTY) return { update: () => undefined, [Symbol.dispose]: () => undefined }
  const bar = new SingleBar({ format, stream, hideCursor: true, clearOnComplete: true }, Presets.shades_classic)
  let started = false
  return {
    update(done, total) {
      const rounded = { done: Math.floor(done), total: Math.ceil(total) }
      if (started) bar.setTotal(total)
      else bar.start(total, 0, rounded)
      started = true
      bar.update(Math.min(done, total), rounded)
    },
    [Symbol.dispose]() {
      if (started) bar.stop()
      started = false
    },
  }
}

/** A bar on stderr for the weights of a model. */
export function downloadBar(id: string): Disposable & { readonly update: (progress: DownloadProgress) => void } {
  const bar = showProgress(process.stderr, `${id}  {bar} {percentage} %  {done} of {total} MB  {eta_formatted} left`)
  return {
    update: ({ receivedBytes, totalBytes }) => bar.update(receivedBytes / 1e6, totalBytes / 1e6),
    [Symbol.dispose]: () => bar[Symbol.dispose](),
  }
}
