import { Command, CommanderError } from 'commander'
import type { CommandContext } from './commands/context.ts'
import { addDeviceCommand } from './commands/device.ts'
import { addJobsCommand } from './commands/jobs.ts'
import { addKeysCommand } from './commands/keys.ts'
import { addMigrateCommand } from './commands/migrate.ts'
import { addModelsCommand } from './commands/models.ts'
import { addServeCommands } from './commands/serve.ts'
import { addTranscribeCommand } from './commands/transcribe.ts'
import { addUsageCommand } from './commands/usage.ts'
import { addWebhooksCommand } from './commands/webhooks.ts'
import { ConfigError } from './config/config-error.ts'
import type { Environment } from './config/read-settings.ts'
import { loadFamilies } from './models/index.ts'
import { version } from './version.ts'

/**
 * Runs a command line.
 * @param argv as `process.argv`
 * @returns the exit code: 0; 1 when the command failed; 2 when it was not understood
 */
export async function runCommandLine(
  argv: readonly string[],
  environment: Environment,
  { signal, hurry }: Pick<CommandContext, 'signal' | 'hurry'>,
): Promise<number> {
  let exitCode = 0
  const context: CommandContext = { environment, signal, hurry, exitWith: (code) => (exitCode = code) }
  const program = new Command('sotto')
    .description('Transcribes audio: an HTTP server with an Async API, and a command line.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(run it with --help for what it takes)')
  addServeCommands(program, context)
  addMigrateCommand(program, context)
  addJobsCommand(program, context)
  addUsageCommand(program, context)
  addTranscribeCommand(program, context, await loadFamilies())
  addModelsCommand(program, context)
  addKeysCommand(program, context)
  addWebhooksCommand(program, context)
  addDeviceCommand(program, context)
  try {
    await program.parseAsync(argv)
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (signal.aborted) return 130
    console.error(`sotto: ${describe(error)}`)
    return error instanceof ConfigError ? 2 : 1
  }
}

/** An error with a code was made for the user; any other is a bug, whose stack says where. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? error.message : (error.stack ?? error.message)
}
