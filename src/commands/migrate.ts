import type { Command } from 'commander'
import { openDatabase } from '../backend.ts'
import { loadConfig } from '../config/config.ts'
import { SERVER_SETTINGS } from '../config/server.ts'
import { adoptPayloads } from '../jobs/keeping/installation.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'

/** By hand what every start does by itself, for those who want it done before. */
export function addMigrateCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('migrate')
    .description('Bring the schema of the database up to date, as every start does.')
    .option(
      '--adopt-payloads',
      'have the server take the payload store for this database’s, after one of them was lost, exchanged or restored; what the ' +
        'database does not know is then removed in time',
    )
  addSettings(command, [SERVER_SETTINGS.dataDir]).action(
    async ({ adoptPayloads: adopts, ...options }: Record<string, unknown>) => {
      const config = loadConfig(context.environment, givenFlags(options))
      await using database = await openDatabase(config, context.signal)
      console.error('The schema is up to date.')
      if (adopts !== true) return
      await adoptPayloads(database)
      console.error('The payload store counts as this database’s from the server’s next look on, within ten minutes.')
    },
  )
}
