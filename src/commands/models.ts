import type { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { HUB_SETTINGS } from '../config/hub.ts'
import type { HubConfig } from '../config/hub.ts'
import { SUGGESTED_MODEL, createCatalogue } from '../models/catalogue.ts'
import type { Catalogue } from '../models/catalogue.ts'
import { modelFiles } from '../models/index.ts'
import { ModelCache } from '../hub/model-cache.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'
import { downloadBar } from './progress-bar.ts'

export function addModelsCommand(program: Command, context: CommandContext): void {
  const models = program.command('models').description('List the models, or fetch their weights.')

  addSettings(models.command('list').description('List the models that can be served.'), [HUB_SETTINGS.models])
    .option('--json', 'as JSON')
    .action(async (options: Record<string, unknown>) => {
      const { catalogue, cache } = openModels(loadConfig(context.environment, givenFlags(options)).hub)
      const rows = await Promise.all(
        catalogue.list().map(async (model) => ({
          id: model.id,
          sizeBytes: model.sizeBytes,
          isHere: await cache.isPresent(model.id),
        })),
      )
      if (options['json'] === true) {
        console.log(JSON.stringify(rows, null, 2))
        return
      }
      const width = Math.max(...rows.map((row) => row.id.length))
      for (const { id, sizeBytes, isHere } of rows) {
        const size = sizeBytes === null ? 'size unknown' : megabytes(sizeBytes)
        console.log(`${id.padEnd(width)}  ${size.padStart(12)}  ${isHere ? 'here' : 'fetched at first use'}`)
      }
    })

  addSettings(models.command('pull').description('Fetch weights now instead of at first use.'), [HUB_SETTINGS.models])
    .argument('<model...>', `such as ${SUGGESTED_MODEL.id}`)
    .action(async (ids: readonly string[], options: Record<string, unknown>) => {
      const { cache } = openModels(loadConfig(context.environment, givenFlags(options)).hub)
      for (const id of ids) {
        using bar = downloadBar(id)
        const { folder } = await cache.open(id, { signal: context.signal, onProgress: bar.update })
        bar[Symbol.dispose]()
        console.log(folder)
      }
    })
}

function openModels(hub: HubConfig): { readonly catalogue: Catalogue; readonly cache: ModelCache } {
  const catalogue = createCatalogue(hub.models)
  return { catalogue, cache: new ModelCache({ ...hub, catalogue, files: modelFiles }) }
}

function megabytes(bytes: number): string {
  return `${Math.max(1, Math.round(bytes / 1e6))} MB`
}
