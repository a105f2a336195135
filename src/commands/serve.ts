import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import type { Command } from 'commander'
import pino from 'pino'
import type { Logger } from 'pino'
import type { App, Role } from '../app.ts'
import { ConfigError } from '../config/config-error.ts'
import { loadConfig } from '../config/config.ts'
import type { Config } from '../config/config.ts'
import type { LogLevel } from '../config/server.ts'
import { unknownVariables } from '../config/unknown-variables.ts'
import type { CommandContext } from './context.ts'
import { addAllSettings, givenFlags } from './options.ts'

const ROLES: Readonly<Record<Role, string>> = {
  serve: 'Serve the API and run the jobs, with everything embedded.',
  api: 'Serve the API alone, as one of many; workers run the jobs. Needs DATABASE_URL and an S3 (--payloads).',
  worker: 'Run jobs alone, as one of many, those of --tier and --models. Needs DATABASE_URL and an S3 (--payloads).',
}

/** `sotto serve`, and its halves. */
export function addServeCommands(program: Command, context: CommandContext): void {
  for (const role of Object.keys(ROLES) as Role[]) {
    addAllSettings(program.command(role).description(ROLES[role])).action(async (options: Record<string, unknown>) => {
      const config = loadConfig(context.environment, givenFlags(options))
      requireShared(config, role)
      await run(config, role, context)
    })
  }
}

async function run(config: Config, role: Role, { environment, signal, hurry }: CommandContext): Promise<void> {
  const logger = await createLogger(config.server.logLevel)
  for (const { name, meant } of unknownVariables(environment)) {
    const question = meant === undefined ? '.' : `; did you mean ${meant}?`
    logger.warn(`${name} is set, but there is no such setting${question} See sotto ${role} --help`)
  }
  const { startApp } = await import('../app.ts')
  await using app = await startApp(config, logger, role, { signal, hurry }).catch((error: unknown) => {
    if (!signal.aborted) throw error
    if (error !== signal.reason) logger.warn({ err: error }, 'the start broke off')
    return undefined
  })
  if (app === undefined) {
    logger.info('asked to end before it had started')
    return
  }
  if (app.firstKey !== null) await tellFirstKey(app.firstKey, config, logger)
  announce(app, config)
  if (!signal.aborted) await once(signal, 'abort')
  logger.info('stopping: running jobs go back to the queue')
}

/** Shown on a terminal alone: logs are kept, and read by others. */
async function tellFirstKey(key: string, { server: { dataDir } }: Config, logger: Logger): Promise<void> {
  if (process.stdout.isTTY) {
    console.log(`API key (shown this once, kept as a hash): ${key}`)
    return
  }
  const file = join(dataDir, 'first-api-key')
  // A new file, whoever may read the one of an earlier first start.
  await rm(file, { force: true })
  await writeFile(file, `${key}\n`, { mode: 0o600, flag: 'wx' })
  logger.warn({ file }, 'the first API key is in this file; keep it elsewhere, and remove the file')
  console.log(`API key (written this once, kept as a hash): in ${file}`)
}

function announce({ url }: App, { server: { dataDir }, jobs: { databaseUrl } }: Config): void {
  const place = databaseUrl === null ? dataDir : new URL(databaseUrl).host
  console.log(
    url === null
      ? `Sotto takes jobs   (data: ${place})`
      : `Sotto listens on ${url}   (reference: ${url}/docs, data: ${place})`,
  )
}

/** What one process has embedded, no other one can share. */
function requireShared({ jobs: { databaseUrl }, payloads }: Config, role: Role): void {
  if (databaseUrl === null && role !== 'serve') {
    throw new ConfigError(
      `DATABASE_URL is not set. sotto ${role} is one of many processes that share a PostgreSQL; sotto serve runs everything in one.`,
    )
  }
  if (databaseUrl !== null && payloads.store.kind !== 's3') {
    throw new ConfigError(
      'SOTTO_PAYLOADS takes s3://bucket/prefix beside a DATABASE_URL: what lies in a folder, other processes on the database do not see.',
    )
  }
}

/** JSON lines to stderr; on a terminal, lines for people. */
async function createLogger(level: LogLevel): Promise<Logger> {
  if (!process.stderr.isTTY) return pino({ level }, pino.destination({ fd: 2, sync: true }))
  const { default: pretty } = await import('pino-pretty')
  return pino({ level }, pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss' }))
}
