import type { Command } from 'commander'
import { Option } from 'commander'
import { ApiKeys } from '../api/authentication/api-keys.ts'
import { openDatabase } from '../backend.ts'
import { ConfigError } from '../config/config-error.ts'
import { loadConfig } from '../config/config.ts'
import { SERVER_SETTINGS } from '../config/server.ts'
import type { Setting } from '../config/setting.ts'
import { WEBHOOK_EVENT_TYPES, isWebhookEvent } from '../contract/webhook-event.ts'
import type { WebhookEvent } from '../contract/webhook-event.ts'
import { OutboundClient } from '../outbound/client.ts'
import { OutboundGuard } from '../outbound/guard.ts'
import type { DefaultWebhook } from '../webhooks/defaults.ts'
import type { LoggedAttempt, LoggedDelivery } from '../webhooks/delivery-log.ts'
import { Webhooks } from '../webhooks/webhooks.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'

const DEFAULT_OVERLAP_SECONDS = '86400'
const MAX_OVERLAP_SECONDS = 604_800

type Options = Readonly<Record<string, unknown>>

/** What an administrator does about webhooks, beside a server that runs: it sees each change with its next delivery. */
export function addWebhooksCommand(program: Command, context: CommandContext): void {
  const webhooks = program.command('webhooks').description('See and change where jobs are told, and what came of it.')
  addSecretCommands(webhooks, context)
  addDefaultCommands(webhooks, context)
  addDeliveryCommands(webhooks, context)
}

async function withWebhooks(
  options: Options,
  { environment, signal }: CommandContext,
  action: (webhooks: Webhooks, apiKeys: ApiKeys) => Promise<void>,
): Promise<void> {
  const config = loadConfig(environment, givenFlags(options))
  await using database = await openDatabase(config, signal)
  const guard = new OutboundGuard({ allow: config.server.fetchAllow })
  await using client = new OutboundClient({ guard })
  await action(new Webhooks({ database, guard, client }), new ApiKeys(database))
}

/** As `withWebhooks`, unless there is no such key. */
async function withKey(
  id: string,
  options: Options,
  context: CommandContext,
  action: (webhooks: Webhooks) => Promise<void>,
): Promise<void> {
  await withWebhooks(options, context, async (webhooks, apiKeys) => {
    if ((await apiKeys.generation(id)) !== undefined) return await action(webhooks)
    console.error(`sotto: there is no key ${id}; sotto keys list shows those there are.`)
    context.exitWith(1)
  })
}

function keyCommand(
  parent: Command,
  name: string,
  description: string,
  settings: readonly Setting[] = [SERVER_SETTINGS.dataDir],
): Command {
  const command = parent.command(name).description(description)
  return addSettings(command.argument('<key>', 'id of the API key, as sotto keys list shows it'), settings)
}

function addSecretCommands(parent: Command, context: CommandContext): void {
  keyCommand(parent, 'secret', 'Print what a key’s webhooks are signed with that have no secret of their own.').action(
    async (key: string, options: Options) => {
      await withKey(key, options, context, async ({ secrets }) => console.log((await secrets.current(key)).secret))
    },
  )
  keyCommand(parent, 'rotate', 'Make another secret and print it; for a time, webhooks are signed with both.')
    .option('--overlap <seconds>', 'how long the secret before signs as well', DEFAULT_OVERLAP_SECONDS)
    .action(async (key: string, options: Options) => {
      const overlap = Number(options['overlap'])
      if (!Number.isInteger(overlap) || overlap < 0 || overlap > MAX_OVERLAP_SECONDS) {
        throw new ConfigError(`--overlap takes an integer from 0 to ${MAX_OVERLAP_SECONDS}, in seconds`)
      }
      await withKey(key, options, context, async ({ secrets }) => {
        const { secret, previousUntil } = await secrets.rotate(key, overlap * 1000)
        if (previousUntil !== null)
          console.error(`The secret before signs as well until ${previousUntil.toISOString()}.`)
        console.log(secret)
      })
    })
}

function addDefaultCommands(parent: Command, context: CommandContext): void {
  const outbound = [SERVER_SETTINGS.dataDir, SERVER_SETTINGS.fetchAllow]
  keyCommand(parent, 'default', 'Show or set where jobs of a key are told that name no webhook.', outbound)
    .option('--url <url>', 'tell this one from now on')
    .option('--events <list>', `what it is told, separated by commas: some of ${WEBHOOK_EVENT_TYPES.join(', ')}`)
    .option('--include-result', 'send the transcript with job.success')
    .addOption(new Option('--remove', 'tell nobody any more').conflicts('url'))
    .action(async (key: string, options: Options) => {
      const { url, remove } = options
      await withKey(key, options, context, async (webhooks) => {
        if (remove === true) await webhooks.defaults.remove(key)
        if (typeof url === 'string') {
          const events = eventsIn(options['events'])
          const include = options['includeResult'] === true ? (['result'] as const) : []
          await webhooks.setDefault(key, { url, include: [...include], ...(events && { events }) }, context.signal)
        }
        const found = await webhooks.defaults.find(key)
        console.log(found === undefined ? 'none' : defaultLine(found))
      })
    })
  keyCommand(parent, 'test', 'Send a test now, to the default or to a URL, and say what came of it.', outbound)
    .option('--url <url>', 'send it there')
    .action(async (key: string, options: Options) => {
      await withKey(key, options, context, async (webhooks) => {
        const byDefault = (await webhooks.defaults.find(key))?.endpoint
        const url = typeof options['url'] === 'string' ? options['url'] : byDefault?.url
        if (url === undefined) {
          console.error(`sotto: key ${key} has no default webhook; name one with --url.`)
          context.exitWith(1)
          return
        }
        const secret = url === byDefault?.url ? (byDefault.secret ?? undefined) : undefined
        const attempt = await webhooks.test(key, { url, ...(secret && { secret }) }, context.signal)
        console.log(attemptLine({ ...attempt, at: new Date() }))
        if (attempt.code !== null) context.exitWith(1)
      })
    })
}

function addDeliveryCommands(parent: Command, context: CommandContext): void {
  addSettings(
    parent
      .command('deliveries')
      .description('Show what was told of a job, each attempt, and what is still to be told.')
      .argument('<job>', 'id of the job'),
    [SERVER_SETTINGS.dataDir],
  )
    .option('--json', 'as JSON lines')
    .action(async (job: string, options: Options) => {
      await withWebhooks(options, context, async ({ log }) => {
        for (const delivery of await log.ofJob(job)) {
          if (options['json'] === true) console.log(JSON.stringify(delivery))
          else for (const line of deliveryLines(delivery)) console.log(line)
        }
      })
    })
  addSettings(
    parent
      .command('replay')
      .description('Have a delivery made once more, by the server that runs.')
      .argument('<delivery>', 'its id, which is the webhook-id'),
    [SERVER_SETTINGS.dataDir],
  ).action(async (id: string, options: Options) => {
    await withWebhooks(options, context, async (webhooks) => {
      const found = await webhooks.log.find(id)
      if (found !== undefined && (await webhooks.replay(found.jobId, id))) {
        console.error(`Delivery ${id} is made once more.`)
      } else {
        console.error(`sotto: there is no delivery ${id}; sotto webhooks deliveries <job> shows a job's.`)
        context.exitWith(1)
      }
    })
  })
}

function eventsIn(list: unknown): readonly WebhookEvent[] | undefined {
  if (typeof list !== 'string') return undefined
  const names = list.split(',').map((name) => name.trim())
  const events = names.filter(isWebhookEvent)
  if (events.length > 0 && events.length === names.length) return events
  throw new ConfigError(`--events takes some of ${WEBHOOK_EVENT_TYPES.join(', ')}, separated by commas`)
}

function defaultLine({ endpoint, events, disabledAt }: DefaultWebhook): string {
  const disabled = disabledAt === null ? [] : [`disabled by its 410 at ${disabledAt.toISOString()}`]
  return [endpoint.url, events.join(','), ...endpoint.include, ...disabled].join('  ')
}

function deliveryLines({
  id,
  type,
  status,
  droppedBecause,
  url,
  nextAttemptAt,
  attempts,
}: LoggedDelivery): readonly string[] {
  const next = nextAttemptAt === null ? [] : [`next at ${nextAttemptAt.toISOString()}`]
  const why = droppedBecause === null ? [] : [droppedBecause]
  const head = [id, type.padEnd(Math.max(...WEBHOOK_EVENT_TYPES.map(({ length }) => length))), status, ...why, ...next]
  return [[...head, url ?? '(default)'].join('  '), ...attempts.map((attempt) => `  ${attemptLine(attempt)}`)]
}

function attemptLine({ at, durationMs, status, code, detail, answer }: LoggedAttempt): string {
  const said = answer === null || answer === '' ? [] : [JSON.stringify(answer)]
  const outcome = [status ?? '', code ?? 'delivered', detail ?? ''].filter((part) => part !== '').join(' ')
  return [at.toISOString(), `${durationMs} ms`, outcome, ...said].join('  ')
}
