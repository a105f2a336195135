import { fileURLToPath } from 'node:url'
import { runEngine } from '../../src/engine/engine.ts'

runEngine({ entry: fileURLToPath(new URL('hanging-features.child.ts', import.meta.url)), stallMs: 600 })
