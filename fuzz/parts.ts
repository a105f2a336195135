import { hasPostgres } from '../test/support/postgres.ts'
import type { FuzzOptions, PartReport } from './cases.ts'
import { fuzzModels } from './models/models-part.ts'
import { fuzzHub } from './hub/hub-part.ts'
import { embedded, onCluster } from './installation.ts'
import { fuzzMedia } from './media/media-part.ts'
import { fuzzRequests } from './requests/requests-part.ts'

export const PARTS = ['requests', 'media', 'models', 'hub'] as const
export type PartName = (typeof PARTS)[number]

/** How the time is shared out among the parts that are wanted. */
const SHARES: Readonly<Record<PartName, number>> = { requests: 25, media: 25, models: 6, hub: 4 }

/** One part after the other, each against servers of its own. */
export async function* fuzz(parts: readonly PartName[], options: FuzzOptions): AsyncGenerator<PartReport> {
  const all = parts.reduce((sum, part) => sum + SHARES[part], 0)
  for (const part of parts) yield* runPart(part, { ...options, seconds: (options.seconds * SHARES[part]) / all })
}

async function* runPart(part: PartName, options: FuzzOptions): AsyncGenerator<PartReport> {
  switch (part) {
    case 'requests': {
      const setups = hasPostgres ? [embedded, onCluster] : [embedded]
      for (const setup of setups) {
        await using installation = await setup()
        yield await fuzzRequests({ ...options, seconds: options.seconds / setups.length }, installation)
      }
      break
    }
    case 'media': {
      await using installation = await embedded()
      yield await fuzzMedia(options, installation)
      break
    }
    case 'models':
      yield await fuzzModels(options)
      break
    case 'hub':
      yield await fuzzHub(options)
      break
  }
}
