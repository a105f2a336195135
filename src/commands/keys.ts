import type { Command } from 'commander'
import { ENVIRONMENT_ID, isExpired } from '../api/authentication/api-key.ts'
import type { ApiKey } from '../api/authentication/api-key.ts'
import { ApiKeys } from '../api/authentication/api-keys.ts'
import { openDatabase } from '../backend.ts'
import { loadConfig } from '../config/config.ts'
import { SERVER_SETTINGS } from '../config/server.ts'
import type { CommandContext } from './context.ts'
import { addKeyOptions, givenRules, limitTexts, limitsWith } from './key-options.ts'
import { addSettings, givenFlags } from './options.ts'

type Options = Readonly<Record<string, unknown>>

/** The keys of a data folder; a server on the same folder sees each change with its next request. */
export function addKeysCommand(program: Command, context: CommandContext): void {
  const keys = program.command('keys').description('Create, list, change and revoke API keys.')
  addCreate(keys, context)
  addList(keys, context)
  addUpdate(keys, context)
  addRevoke(keys, context)
}

async function withKeys(
  options: Options,
  context: CommandContext,
  action: (apiKeys: ApiKeys) => Promise<void>,
): Promise<void> {
  const config = loadConfig(context.environment, givenFlags(options))
  await using database = await openDatabase(config, context.signal)
  await action(new ApiKeys(database))
}

function addCreate(keys: Command, context: CommandContext): void {
  const command = keys.command('create').description('Make a key and print it, this once.')
  addSettings(addKeyOptions(command.argument('[name]', 'what it is for', 'key')), [SERVER_SETTINGS.dataDir]).action(
    async (name: string, options: Options) => {
      await withKeys(options, context, async (apiKeys) => {
        const { limits, ...rules } = givenRules(options)
        const own = limits === undefined ? {} : { limits: limitsWith({}, limits) }
        const { id, scopes, secret } = await apiKeys.create(name, { ...rules, ...own })
        console.error(`Key ${id} (${name}; ${scopes.join(', ')}); it is shown this once and kept as a hash:`)
        console.log(secret)
      })
    },
  )
}

function addList(keys: Command, context: CommandContext): void {
  addSettings(keys.command('list').description('List the keys, without their secrets.'), [SERVER_SETTINGS.dataDir])
    .option('--json', 'as JSON lines')
    .action(async (options: Options) => {
      await withKeys(options, context, async (apiKeys) => {
        for (const key of await apiKeys.list())
          console.log(options['json'] === true ? JSON.stringify(key) : lineOf(key))
      })
    })
}

function addUpdate(keys: Command, context: CommandContext): void {
  const command = keys.command('update').description('Change what a key may do. What is not given stays.')
  addSettings(addKeyOptions(command.argument('<id>', 'as list shows it')), [SERVER_SETTINGS.dataDir])
    .option('--name <name>', 'what it is for')
    .action(async (id: string, options: Options) => {
      await withKeys(options, context, async (apiKeys) => {
        const key = await apiKeys.get(id)
        if (key === undefined) return noKey(id, context)
        if (id === ENVIRONMENT_ID) {
          console.error('sotto: this key is what SOTTO_API_KEY and SOTTO_API_KEY_SCOPES say; change these.')
          return context.exitWith(1)
        }
        const { limits, ...rules } = givenRules(options)
        const own = limits === undefined ? {} : { limits: limitsWith(key.limits, limits) }
        const name = options['name']
        const changed = await apiKeys.update(id, { ...rules, ...own, ...(typeof name === 'string' ? { name } : {}) })
        if (changed === undefined) return noKey(id, context)
        console.log(lineOf(changed))
      })
    })
}

function addRevoke(keys: Command, context: CommandContext): void {
  addSettings(keys.command('revoke').description('Make a key invalid.').argument('<id>', 'as list shows it'), [
    SERVER_SETTINGS.dataDir,
  ]).action(async (id: string, options: Options) => {
    await withKeys(options, context, async (apiKeys) => {
      if (!(await apiKeys.revoke(id))) return noKey(id, context)
      const note = id === ENVIRONMENT_ID ? ' A server that starts with SOTTO_API_KEY makes it valid again.' : ''
      console.error(`Key ${id} is revoked, and the URLs and tokens that were signed for it with it.${note}`)
    })
  })
}

function noKey(id: string, context: CommandContext): void {
  console.error(`sotto: there is no key ${id}; sotto keys list shows those there are.`)
  context.exitWith(1)
}

function lineOf(key: ApiKey): string {
  const { id, prefix, createdAt, scopes, models, expiresAt, lastUsedAt, limits, name } = key
  const end = expiresAt === null ? [] : [`${isExpired(key) ? 'expired' : 'expires'} ${expiresAt.toISOString()}`]
  const use = lastUsedAt === null ? 'never used' : `used ${lastUsedAt.toISOString()}`
  const own = [...end, ...(models === null ? [] : [`models ${models.join(',')}`]), ...limitTexts(limits)]
  return [id, `${prefix}…`, createdAt.toISOString(), scopes.join(','), use, ...own, name].join('  ')
}
