import { join } from 'node:path'
import { fixture } from '../../test/support/clips.ts'
import { Hub } from '../../test/support/hub.ts'
import { PROJECT, temporaryFolder } from '../../test/support/server.ts'
import { randomOfCase } from '../cases.ts'
import type { FuzzOptions, PartReport } from '../cases.ts'
import { faultsOfModelJob, runModelRounds } from '../model-rounds.ts'
import { writeHostileModel } from './hostile-model.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')

/** Models whose files lie, fetched from a hub that does not; a server serves some of them. */
export async function fuzzModels(options: FuzzOptions): Promise<PartReport> {
  return await runModelRounds(options, 'models', async (models) => {
    await using stack = new AsyncDisposableStack()
    const folder = stack.use(await temporaryFolder())
    const names = new Map<string, string>()
    const served: Record<string, string> = {}
    for (const { id, number } of models) {
      const path = join(folder.path, id.replace('/', '-'))
      names.set(id, await writeHostileModel(path, DEMO, randomOfCase(options.seed, 'models', number)))
      served[id] = path
    }
    const hub = stack.use(await Hub.start(served))
    const kept = stack.move()
    return {
      url: hub.url,
      run: async ({ client }, id) => {
        const url = await client.upload(fixture('en-short.wav'))
        const faults = await faultsOfModelJob(client, id, url)
        return faults.map((fault) => `${names.get(id)}: ${fault}`)
      },
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    }
  })
}
