import { isDeepStrictEqual } from 'node:util'
import Type from 'typebox'
import type { TObject } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Validator } from 'typebox/compile'
import { Check } from 'typebox/value'
import { InputError } from '../errors.ts'
import { inWords, parameterFacts } from './facts.ts'
import type { ParameterFacts } from './facts.ts'
import { listOf } from './parameter.ts'
import type { InputOf, Parameter, ParameterMap } from './parameter.ts'
import { shown } from './shown.ts'

export interface ParameterDescription extends ParameterFacts {
  readonly name: string
}

/** The parameters of a family's models: what a request's `input` may be. */
export class ParameterSet<Known extends ParameterMap> {
  /** Of `input`, whose parameters may each be left out. */
  readonly schema: TObject
  /** For people and programs that list them. */
  readonly descriptions: readonly ParameterDescription[]
  readonly #parameters: ReadonlyMap<string, Parameter>
  readonly #defaults: Readonly<Record<string, unknown>>
  /** Compiled: each submit is checked, and a check by reading the schema takes as long as the rest of a submit. */
  readonly #complete: Validator

  /** @param description of `input`, for the OpenAPI document */
  constructor(parameters: Known, description: string) {
    const entries = Object.entries(parameters)
    this.#parameters = new Map(entries)
    this.#defaults = Object.freeze(Object.fromEntries(entries.map(([name, { default: value }]) => [name, value])))
    this.descriptions = entries.map(([name, each]) => ({ name, ...parameterFacts(each) }))
    const properties = Object.fromEntries(
      entries.map(([name, { takes, default: value, meaning }]) => [
        name,
        { ...takes, default: value, description: meaning },
      ]),
    )
    const complete = Type.Object(properties, { additionalProperties: false })
    this.schema = Type.Partial(complete, { description })
    this.#complete = Compile(complete)
  }

  /**
   * Validates a request's `input` and fills in the defaults.
   * @throws InputError naming the field, what it got and what it takes
   */
  parse(value: unknown): InputOf<Known> {
    if (!isObject(value)) {
      throw new InputError(`input must be an object of model parameters; got ${shown(value)}.`)
    }
    const given: Readonly<Record<string, unknown>> = { ...value }
    const unknown = Object.keys(given).find((name) => !this.#parameters.has(name))
    if (unknown !== undefined) {
      const names = [...this.#parameters.keys()].join(', ')
      throw new InputError(`input.${unknown.slice(0, 100)} is not a parameter of this model; it takes ${names}.`)
    }
    const input: unknown = { ...this.#defaults, ...given }
    if (!this.#isComplete(input)) throw this.#wrongParameter(given)
    return input
  }

  /**
   * An input that was parsed and stored before, perhaps by a version that knew fewer parameters: they get their defaults.
   * @throws InputError
   */
  read(value: unknown): InputOf<Known> {
    const input: unknown = isObject(value) ? { ...this.#defaults, ...value } : value
    if (!this.#isComplete(input)) throw new InputError('the stored input does not fit this version.')
    return input
  }

  /** Names of those that ask for something else than the defaults, in whichever form they are given. */
  changed(input: Readonly<Record<string, unknown>>): readonly string[] {
    return this.descriptions
      .filter((each) => !isDeepStrictEqual(comparable(input[each.name], each), comparable(each.default, each)))
      .map(({ name }) => name)
  }

  #isComplete(input: unknown): input is InputOf<Known> {
    return this.#complete.Check(input)
  }

  #wrongParameter(given: Readonly<Record<string, unknown>>): InputError {
    const wrong = [...this.#parameters].find(([name, { takes }]) => name in given && !Check(takes, given[name]))
    if (wrong === undefined) return new InputError('input is not what this model takes.')
    const [name, { takes }] = wrong
    return new InputError(`input.${name} must be ${inWords(takes)}; got ${shown(given[name])}.`)
  }
}

/** The same list may be given in two ways. */
function comparable(value: unknown, { type, isList }: ParameterDescription): unknown {
  return type === 'string' && isList && (typeof value === 'string' || value === null) ? listOf(value) : value
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
