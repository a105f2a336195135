import { fixture } from '../../test/support/clips.ts'
import { randomOfCase } from '../cases.ts'
import type { FuzzOptions, PartReport } from '../cases.ts'
import { faultsOfModelJob, runModelRounds } from '../model-rounds.ts'
import { HostileHub } from './hostile-hub.ts'

/** A hub whose answers lie, break off or never end. */
export async function fuzzHub(options: FuzzOptions): Promise<PartReport> {
  return await runModelRounds(options, 'hub', async (models) => {
    const random = models.map(({ id, number }) => [id, randomOfCase(options.seed, 'hub', number)] as const)
    const hub = await HostileHub.start(new Map(random))
    return {
      url: hub.url,
      run: async ({ client }, id) => {
        const url = await client.upload(fixture('en-short.wav'))
        const faults = await faultsOfModelJob(client, id, url)
        return faults.map((fault) => `${hub.nameOf(id)}: ${fault}`)
      },
      [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose](),
    }
  })
}
