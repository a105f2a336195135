/** Loads what engines and probes do, and ends by itself, as they do not: Node keeps then what it has compiled. */
import { join } from 'node:path'
import process from 'node:process'
import { familyIn } from '../../src/models/index.ts'

const modelFolder = join(import.meta.dirname, '../../models/whisper-demo')
const family = await familyIn(modelFolder)
await family.load({ modelFolder, threads: 1, precision: 'f32', batch: 1, temporaryFolder: '', cacheFolder: '' })
await import('../../src/engine/engine.ts')
await import('../../src/probe/probe-main.ts')
await import('../../src/speech/audio/features-thread.ts')
process.exit(0)
