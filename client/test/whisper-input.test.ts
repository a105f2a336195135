import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { inWords, parameterFacts } from '../../src/models/parameters/facts.ts'
import type { ParameterFacts } from '../../src/models/parameters/facts.ts'
import { WHISPER_PARAMETERS } from '../../src/models/whisper/parameters/parameter-descriptions.ts'

const FILE = resolve(import.meta.dirname, '../src/whisper-input.ts')

function typeOf({ type, values, isList, isNullable, name }: ParameterFacts & { readonly name: string }): string {
  const plain = values?.map((value) => `'${value}'`) ?? [type === 'integer' ? 'number' : type]
  const auto = name === 'audio_track' ? ["'auto'"] : []
  return [...plain, ...auto, ...(isList ? ['readonly number[]'] : []), ...(isNullable ? ['null'] : [])].join(' | ')
}

test('the client’s types of parameters are those of the server', async () => {
  const lines = Object.entries(WHISPER_PARAMETERS).map(([name, parameter]) => {
    const takes = inWords(parameter.takes)
    const comment = `  /** ${parameter.meaning} Takes ${takes}; default: \`${JSON.stringify(parameter.default)}\`. */`
    return `${comment}\n  readonly ${name}?: ${typeOf({ name, ...parameterFacts(parameter) })}`
  })
  const file = [
    '// Written from the server’s description of its parameters by test/whisper-input.test.ts; `npx vitest run client --update` writes it anew.',
    '',
    '/** The parameters of Whisper models: OpenAI’s names, with their meaning. */',
    'export interface WhisperInput {',
    ...lines,
    '}',
    '',
  ].join('\n')
  await expect(file).toMatchFileSnapshot(FILE)
})
