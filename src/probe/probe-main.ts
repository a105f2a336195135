import process from 'node:process'
import { AV_LOG_QUIET } from 'node-av/constants'
import { Log } from 'node-av/lib'
import { mediaLength } from './media-length.ts'
import type { ProbeReply, ProbeRequest } from './probe-protocol.ts'

// The entry of a probe's process. It opens no file: what it reads it is given.

// Signals to the whole group, as by Ctrl+C, are the server's business.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// The server is gone, perhaps by a kill -9. A plain exit would wait for the thread that may hang in FFmpeg.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))

/** It begins with 75 MB; each file leaves some twenty kilobytes behind, a hostile one more. */
const MAX_RESIDENT_BYTES = 160 * 2 ** 20

let answer: ((bytes: Uint8Array | undefined) => void) | undefined

process.on('message', (message) => {
  const request = message as ProbeRequest
  if (request.type === 'bytes') answer?.(request.bytes ?? undefined)
  else void probe(request)
})

async function probe(file: { readonly bytes: number; readonly extension: string }): Promise<void> {
  const seconds = await mediaLength(file, readBlock).catch(() => undefined)
  reply({ type: 'length', seconds: seconds ?? null, isWorn: process.memoryUsage.rss() > MAX_RESIDENT_BYTES })
}

function readBlock(start: number, end: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    answer = resolve
    reply({ type: 'read', start, end })
  })
}

function reply(message: ProbeReply): void {
  // Without a channel the server has gone, and 'disconnect' ends this process.
  process.send?.(message, undefined, undefined, () => undefined)
}

Log.setLevel(AV_LOG_QUIET)
reply({ type: 'ready' })
