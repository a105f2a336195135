import process from 'node:process'
import type { DownloadProgress } from '../hub/commit-download.ts'

export interface ProgressBar extends Disposable {
  update(done: number, total: number): void
}

const WIDTH = 40
const REDRAW_MS = 100

/** Codes of terminals: back to the beginning of a cleared line; what does not fit is cut off, or goes on in the next line. */
const CLEARED = '\r\u001B[K'
const WRAP_OFF = '\u001B[?7l'
const WRAP_ON = '\u001B[?7h'

/** A bar on a terminal, which is gone in the end; nothing where the stream is none. */
export function showProgress(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>,
  name: string,
  unit: string,
): ProgressBar {
  if (!stream.isTTY) return { update: () => undefined, [Symbol.dispose]: () => undefined }
  let first: { readonly done: number; readonly atMs: number } | undefined
  let drawnMs = Number.NEGATIVE_INFINITY
  return {
    update(done, total) {
      const nowMs = performance.now()
      first ??= { done, atMs: nowMs }
      if (nowMs - drawnMs < REDRAW_MS) return
      drawnMs = nowMs
      const left = ((total - done) * (nowMs - first.atMs)) / (done - first.done) / 1000
      const line = `${name}  ${bar(done / total)}  ${Math.floor(done)} of ${Math.ceil(total)} ${unit}${timeLeft(left)}`
      stream.write(`${CLEARED}${WRAP_OFF}${line}${WRAP_ON}`)
    },
    [Symbol.dispose]() {
      if (first !== undefined) stream.write(CLEARED)
      first = undefined
    },
  }
}

function bar(ratio: number): string {
  const done = Math.min(Math.max(ratio, 0), 1) || 0
  return `${'█'.repeat(Math.round(done * WIDTH)).padEnd(WIDTH, '░')} ${Math.floor(done * 100)} %`
}

/** Nothing while the speed is unknown. */
function timeLeft(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return ''
  const whole = Math.ceil(seconds)
  return `  ${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} left`
}

/** A bar on stderr for the weights of a model. */
export function downloadBar(id: string): Disposable & { readonly update: (progress: DownloadProgress) => void } {
  const shown = showProgress(process.stderr, id, 'MB')
  return {
    update: ({ receivedBytes, totalBytes }) => shown.update(receivedBytes / 1e6, totalBytes / 1e6),
    [Symbol.dispose]: () => shown[Symbol.dispose](),
  }
}
