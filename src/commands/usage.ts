import { Option } from 'commander'
import type { Command } from 'commander'
import { openDatabase } from '../backend.ts'
import { loadConfig } from '../config/config.ts'
import { SERVER_SETTINGS } from '../config/server.ts'
import { MAX_USAGE_DAYS, USAGE_GROUPS, readUsage } from '../jobs/usage/usage.ts'
import type { Usage, UsageGroup } from '../jobs/usage/usage.ts'
import type { CommandContext } from './context.ts'
import { countOf } from './job-list.ts'
import { addSettings, givenFlags } from './options.ts'

const DEFAULT_DAYS = 30

interface UsageFlags {
  readonly by: UsageGroup
  readonly days: number
  readonly model?: string
  readonly key?: string
  readonly json?: boolean
}

/** What keys have used, beside a server that runs. */
export function addUsageCommand(program: Command, context: CommandContext): void {
  addSettings(
    program
      .command('usage')
      .description('Tell how many jobs finished, and how much audio became text, removed jobs included.'),
    [SERVER_SETTINGS.dataDir],
  )
    .addOption(
      new Option('--by <what>', 'a line for each day and model, or for each of these')
        .choices(USAGE_GROUPS)
        .default('day'),
    )
    .option('--days <number>', `days of UTC, today included; up to ${MAX_USAGE_DAYS}`, countOf, DEFAULT_DAYS)
    .option('--model <model>', 'only of this one')
    .option('--key <id>', 'only of this API key')
    .option('--json', 'as JSON lines')
    .action(async ({ by, days, model, key, json }: UsageFlags, command: Command) => {
      const config = loadConfig(context.environment, givenFlags(command.opts()))
      await using database = await openDatabase(config, context.signal)
      const which = { keyId: key ?? null, ...(model === undefined ? {} : { model }) }
      const asked = { by, days: Math.min(days, MAX_USAGE_DAYS), ...which }
      for (const usage of await readUsage(database, asked)) {
        console.log(json === true ? JSON.stringify(usage) : lineOf(usage))
      }
    })
}

function lineOf(usage: Usage): string {
  const { day, model, keyId, jobs, failed, cancelled, audioSeconds, runSeconds } = usage
  const whose = [day, keyId, model].filter((part) => part !== undefined)
  const counts = [
    jobs === 1 ? '1 job' : `${jobs} jobs`,
    `${Math.round(audioSeconds)} s of audio`,
    `${Math.round(runSeconds)} s of runs`,
    ...(failed === 0 ? [] : [`${failed} failed (${codesOf(usage)})`]),
    ...(cancelled === 0 ? [] : [`${cancelled} cancelled`]),
  ]
  return `${whose.join('  ')}  ${counts.join(', ')}`
}

function codesOf({ failures }: Usage): string {
  return Object.entries(failures)
    .map(([code, count]) => `${code}: ${count}`)
    .join(', ')
}
