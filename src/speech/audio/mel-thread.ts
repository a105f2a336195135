import { parentPort } from 'node:worker_threads'
import type { FrameBlock } from './frame-blocks.ts'
import { LogMel } from './log-mel.ts'
import type { LogMelValues } from './log-mel.ts'

export interface MelRequest {
  readonly bands: number
  readonly block: FrameBlock
}

export type MelReply = LogMelValues

// The thread's own side: this file is an entry like `main.ts`, and does nothing where it is not started as a thread.
const port = parentPort
let logMel: LogMel | undefined
port?.on('message', ({ bands, block: { samples, frames } }: MelRequest) => {
  logMel ??= new LogMel(bands)
  const reply: MelReply = logMel.compute(samples, frames)
  port.postMessage(reply, [reply.values.buffer])
})
