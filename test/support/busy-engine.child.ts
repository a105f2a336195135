/** An engine that never has done, and says all the time that it is alive. */
import process from 'node:process'

const ALIVE_MS = 50

setInterval(() => process.send?.({ type: 'alive' }), ALIVE_MS)
process.on('message', () => undefined)
process.on('disconnect', () => process.exit(0))
