import { Option } from 'commander'
import type { Command } from 'commander'
import type { ParameterDescription } from '../models/parameters/parameter-set.ts'

/** The reference's command line takes `True`. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
])

/** Gives a command a flag for each of these parameters: `--beam-size` for `beam_size`. */
export function addParameters(command: Command, parameters: readonly ParameterDescription[]): void {
  for (const parameter of parameters) command.addOption(optionOf(parameter))
}

/** The parameters among a command's options, with the types that a request has. */
export function givenParameters(
  options: Readonly<Record<string, unknown>>,
  parameters: readonly ParameterDescription[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    parameters.flatMap((parameter) => {
      // Commander takes `--no-speech-threshold` for the opposite of a speechThreshold, and keeps its value there.
      const text = options[optionOf(parameter).attributeName()]
      return typeof text === 'string' ? [[parameter.name, valueOf(text, parameter)]] : []
    }),
  )
}

function optionOf(parameter: ParameterDescription): Option {
  const { name, description, default: value } = parameter
  const flag = `--${name.replaceAll('_', '-')} <${placeholder(parameter)}>`
  return new Option(flag, `${description} (default: ${JSON.stringify(value)})`)
}

function placeholder({ type, values, unit, isList, isNullable }: ParameterDescription): string {
  const one = values?.join('|') ?? unit ?? type
  const list = isList ? ',…' : ''
  return `${one}${list}${isNullable ? '|null' : ''}`
}

/** What can't be read as the parameter's type stays as it is, and is refused with the parameter's name. */
function valueOf(text: string, { type, isNullable, isList }: ParameterDescription): unknown {
  if (isNullable && text === 'null') return null
  if (type === 'boolean') return BOOLEANS.get(text.toLowerCase()) ?? text
  if (type === 'string') return text
  const numbers = isList && text.includes(',') ? text.split(',').map(numberOf) : numberOf(text)
  const isUnderstood = [numbers].flat().every((number) => number !== undefined)
  return isUnderstood ? numbers : text
}

function numberOf(text: string): number | undefined {
  return text.trim() === '' || Number.isNaN(Number(text)) ? undefined : Number(text)
}
