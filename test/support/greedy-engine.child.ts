import process from 'node:process'
import type { EngineRequest } from '../../src/contract/engine-protocol.ts'

/** In place of an engine: one that takes memory of its own until it gets no more. */
const taken: Buffer[] = []
process.send?.({ type: 'alive' })
process.on('message', (request: EngineRequest) => {
  if (request.type !== 'recognise') return
  process.on('uncaughtException', () => process.exit(1))
  for (;;) taken.push(Buffer.alloc(256 * 2 ** 20, 1))
})
