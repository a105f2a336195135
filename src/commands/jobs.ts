import type { Command } from 'commander'
import { openDatabase } from '../backend.ts'
import { loadConfig } from '../config/config.ts'
import { SERVER_SETTINGS } from '../config/server.ts'
import { JOB_EVENT_KINDS } from '../contract/job-event.ts'
import type { JobEvent } from '../contract/job-event.ts'
import { SqlJobStore } from '../jobs/sql/sql-store.ts'
import type { CommandContext } from './context.ts'
import { addJobListCommand } from './job-list.ts'
import { addSettings, givenFlags } from './options.ts'

const EVENTS_PAGE = 1000

/** What an administrator sees of all keys' jobs, beside a server that runs. */
export function addJobsCommand(program: Command, context: CommandContext): void {
  const jobs = program.command('jobs').description('List jobs, why they failed, and what happened to one.')
  addJobListCommand(jobs, context)
  const history = jobs.command('history').description('Tell what happened to a job: when, what, and by whom or why.')
  addSettings(history.argument('<id>', 'id of the job'), [SERVER_SETTINGS.dataDir])
    .option('--json', 'as JSON lines')
    .action(async (id: string, options: Record<string, unknown>) => {
      const config = loadConfig(context.environment, givenFlags(options))
      await using database = await openDatabase(config, context.signal)
      const store = new SqlJobStore(database)
      let after = 0
      for (;;) {
        const page = await store.events(id, after, EVENTS_PAGE)
        for (const event of page) console.log(options['json'] === true ? JSON.stringify(event) : eventLineOf(event))
        if (page.length < EVENTS_PAGE) break
        after = page.at(-1)?.sequence ?? after
      }
    })
}

function eventLineOf({ at, kind, data }: JobEvent): string {
  const members = Object.entries(data).map(([name, value]) => `${name} ${String(value)}`)
  return [at, kind.padEnd(Math.max(...JOB_EVENT_KINDS.map(({ length }) => length))), members.join(', ')].join('  ')
}
