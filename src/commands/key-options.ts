import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { LIMIT_NAMES, MAX_LIMIT, MODEL_NAME_PATTERN } from '../api/authentication/api-key.ts'
import type { KeyRules, LimitName, OwnLimits } from '../api/authentication/api-key.ts'
import { durationMs } from '../config/value-types.ts'
import { SCOPES } from '../contract/scope.ts'
import type { Scope } from '../contract/scope.ts'
import { SUGGESTED_MODEL } from '../models/catalogue.ts'

/** What a limit is called on the command line. */
const LIMITS_BY_FLAG: ReadonlyMap<string, LimitName> = new Map(LIMIT_NAMES.map((name) => [kebab(name), name]))

const IS_MODEL_NAME = new RegExp(MODEL_NAME_PATTERN)

/** What the options say of a key; a limit that is undefined becomes the server's. */
export interface GivenRules extends Omit<Partial<KeyRules>, 'limits'> {
  readonly limits?: ReadonlyMap<LimitName, number | null | undefined>
}

/** Gives a command the options that say what a key may do, and how much. */
export function addKeyOptions(command: Command): Command {
  const limits = [...LIMITS_BY_FLAG.keys()].join(', ')
  return command
    .addOption(
      new Option('--scope <scope>', `what it may do, once for each: ${SCOPES.join(', ')}, which has all`).argParser(
        scopesIn,
      ),
    )
    .addOption(
      new Option('--model <model>', 'what it may use, by id or alias, once for each; any: any model').argParser(
        modelsIn,
      ),
    )
    .addOption(
      new Option('--expires <time>', 'when it ends: in 12h or 30d, at 2030-01-31T12:00:00Z, or never').argParser(
        expiryIn,
      ),
    )
    .addOption(
      new Option(
        '--limit <name=number>',
        `a limit of its own, in the place of the server’s, once for each of ${limits}; off: any number, server: the server’s again`,
      ).argParser(limitsIn),
    )
}

/** What was given of them. */
export function givenRules(options: Readonly<Record<string, unknown>>): GivenRules {
  const { scope, model, expires, limit } = options as {
    readonly scope?: readonly Scope[]
    readonly model?: readonly string[]
    readonly expires?: Date | 'never'
    readonly limit?: ReadonlyMap<LimitName, number | null | undefined>
  }
  return {
    ...(scope === undefined ? {} : { scopes: scope }),
    ...(model === undefined ? {} : { models: model.includes('any') ? null : model }),
    ...(expires === undefined ? {} : { expiresAt: expires === 'never' ? null : expires }),
    ...(limit === undefined ? {} : { limits: limit }),
  }
}

/** The limits that a key has, with what was given in their place. */
export function limitsWith(own: OwnLimits, given: NonNullable<GivenRules['limits']>): OwnLimits {
  const kept = Object.entries(own).filter(([name]) => !LIMIT_NAMES.some((known) => known === name && given.has(known)))
  return Object.fromEntries([...kept, ...given].filter(([, value]) => value !== undefined))
}

/** As a person reads it: `queued-jobs=5`. */
export function limitTexts(limits: OwnLimits): readonly string[] {
  return LIMIT_NAMES.flatMap((name) => (limits[name] === undefined ? [] : `${kebab(name)}=${limits[name] ?? 'off'}`))
}

function scopesIn(text: string, before: readonly Scope[] | undefined): readonly Scope[] {
  const scopes = text.split(',').map((item) => {
    const scope = SCOPES.find((known) => known === item.trim())
    if (scope === undefined) throw new InvalidArgumentError(`It is one of ${SCOPES.join(', ')}.`)
    return scope
  })
  return [...(before ?? []), ...scopes]
}

function modelsIn(text: string, before: readonly string[] | undefined): readonly string[] {
  const models = text.split(',').map((item) => item.trim())
  if (!models.every((model) => IS_MODEL_NAME.test(model))) {
    throw new InvalidArgumentError(`It is an id such as ${SUGGESTED_MODEL.id}, or an alias.`)
  }
  return [...(before ?? []), ...models]
}

function expiryIn(text: string): Date | 'never' {
  if (text === 'never') return text
  const ms = durationMs.read(text)
  const date = ms === undefined ? new Date(text) : new Date(Date.now() + ms)
  if (date.getTime() > Date.now()) return date
  throw new InvalidArgumentError('It is a time to come, such as 30d or 2030-01-31T12:00:00Z, or never.')
}

type Limits = ReadonlyMap<LimitName, number | null | undefined>

function limitsIn(text: string, before: Limits | undefined): Limits {
  const [flag = '', value = ''] = text.split('=', 2)
  const name = LIMITS_BY_FLAG.get(flag)
  if (name === undefined) throw new InvalidArgumentError(`Limits are ${[...LIMITS_BY_FLAG.keys()].join(', ')}.`)
  return new Map([...(before ?? []), [name, limitIn(value)]])
}

function limitIn(value: string): number | null | undefined {
  if (value === 'off') return null
  if (value === 'server') return undefined
  const number = Number(value)
  if (/^\d+$/.test(value) && number >= 1 && number <= MAX_LIMIT) return number
  throw new InvalidArgumentError(`It is a number from 1 to ${MAX_LIMIT}, off or server.`)
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
