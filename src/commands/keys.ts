import type { Command } from 'commander'
import { ENVIRONMENT_ID } from '../api/authentication/api-key.ts'
import { ApiKeys } from '../api/authentication/api-keys.ts'
import { openDatabase } from '../backend.ts'
import { loadConfig } from '../config/config.ts'
import { SERVER_SETTINGS } from '../config/server.ts'
import type { CommandContext } from './context.ts'
import { addSettings, givenFlags } from './options.ts'

/** The keys of a data folder; a server on the same folder sees each change with its next request. */
export function addKeysCommand(program: Command, context: CommandContext): void {
  const keys = program.command('keys').description('Create, list and revoke API keys.')

  const withKeys = async (options: Record<string, unknown>, action: (apiKeys: ApiKeys) => Promise<void>) => {
    const config = loadConfig(context.environment, givenFlags(options))
    await using database = await openDatabase(config, context.signal)
    await action(new ApiKeys(database))
  }

  addSettings(
    keys
      .command('create')
      .description('Make a key and print it, this once.')
      .argument('[name]', 'what it is for', 'key'),
    [SERVER_SETTINGS.dataDir],
  ).action(async (name: string, options: Record<string, unknown>) => {
    await withKeys(options, async (apiKeys) => {
      const { id, secret } = await apiKeys.create(name)
      console.error(`Key ${id} (${name}); it is shown this once and kept as a hash:`)
      console.log(secret)
    })
  })

  addSettings(keys.command('list').description('List the keys, without their secrets.'), [
    SERVER_SETTINGS.dataDir,
  ]).action(async (options: Record<string, unknown>) => {
    await withKeys(options, async (apiKeys) => {
      for (const key of await apiKeys.list()) {
        console.log([key.id, `${key.prefix}…`, key.createdAt.toISOString(), key.name].join('  '))
      }
    })
  })

  addSettings(keys.command('revoke').description('Make a key invalid.').argument('<id>', 'as list shows it'), [
    SERVER_SETTINGS.dataDir,
  ]).action(async (id: string, options: Record<string, unknown>) => {
    await withKeys(options, async (apiKeys) => {
      if (await apiKeys.revoke(id)) {
        const note = id === ENVIRONMENT_ID ? ' A server that starts with SOTTO_API_KEY makes it valid again.' : ''
        console.error(`Key ${id} is revoked, and the URLs that were signed for it with it.${note}`)
      } else {
        console.error(`sotto: there is no key ${id}; sotto keys list shows those there are.`)
        context.exitWith(1)
      }
    })
  })
}
