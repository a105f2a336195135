import process from 'node:process'
import type { EngineRequest } from '../../src/contract/engine-protocol.ts'

/** An engine of another version, which fails each task with a code that this one does not know. */
process.on('message', (request: EngineRequest) => {
  if (request.type !== 'recognise') return
  const error = { code: 'engine.of_tomorrow', message: 'It is too late.', stack: 'Error: It is too late.' }
  process.send?.({ type: 'failed', id: request.id, error })
})
process.on('disconnect', () => process.exit(0))
