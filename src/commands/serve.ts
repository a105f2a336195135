import { once } from 'node:events'
import process from 'node:process'
import type { Command } from 'commander'
import pino from 'pino'
import type { Logger } from 'pino'
import { loadConfig, unknownVariables } from '../config.ts'
import type { LogLevel } from '../settings.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'

export function addServeCommand(program: Command, context: CommandContext): void {
  const command = program.command('serve').description('Serve the API, with everything embedded.')
  addSettings(command).action(async (options: Record<string, unknown>) => {
    const config = loadConfig(context.environment, givenFlags(options))
    const logger = await createLogger(config.logLevel)
    for (const name of unknownVariables(context.environment)) {
      logger.warn(`${name} is set, but there is no such setting; see sotto serve --help`)
    }
    const { startApp } = await import('../app.ts')
    await using app = await startApp(config, logger)
    if (app.firstKey !== null) {
      console.log(`API key (shown this once, kept as a hash): ${app.firstKey}`)
    }
    console.log(`Sotto listens on ${app.url}   (reference: ${app.url}/docs, data: ${config.dataDir})`)
    if (!context.signal.aborted) await once(context.signal, 'abort')
    logger.info('stopping: running jobs go back to the queue')
  })
}

/** JSON lines to stderr; on a terminal, lines for people. */
async function createLogger(level: LogLevel): Promise<Logger> {
  if (!process.stderr.isTTY) return pino({ level }, pino.destination({ fd: 2, sync: true }))
  const { default: pretty } = await import('pino-pretty')
  return pino({ level }, pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' }))
}
