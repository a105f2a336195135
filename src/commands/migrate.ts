import type { Command } from 'commander'
import { openDatabase } from '../backend.ts'
import { loadConfig } from '../config.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'

/** By hand what every start does by itself, for those who want it done before. */
export function addMigrateCommand(program: Command, context: CommandContext): void {
  addSettings(
    program.command('migrate').description('Bring the schema of the database up to date, as every start does.'),
    ['dataDir'],
  ).action(async (options: Record<string, unknown>) => {
    const config = loadConfig(context.environment, givenFlags(options))
    await using _ = await openDatabase(config)
    console.error('The schema is up to date.')
  })
}
