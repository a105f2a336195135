import type { Installation } from './installation.ts'

/** Shorter ones are words that any log may have. */
const TELLING_LETTERS = 20
const SIGNATURE = /[?&](?:signature|X-Amz-Signature)=[\w%-]{20,}/i

/** Keys, signatures and transcripts that stand in a log, none of which may. */
export function secretsInLog({ processes, key }: Installation, transcripts: readonly string[]): readonly string[] {
  const log = processes.map(({ output }) => output).join('')
  const found = log.includes(key) ? ['the API key stands in the log'] : []
  if (SIGNATURE.test(log)) found.push('a signature stands in the log')
  const telling = transcripts.filter(({ length }) => length >= TELLING_LETTERS)
  if (telling.some((text) => log.includes(text))) found.push('a transcript stands in the log')
  return found
}
