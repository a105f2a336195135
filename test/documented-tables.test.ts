import { expect, test } from 'vitest'
import { WARNING_CODES } from '../src/contract/transcript.ts'
import { inWords } from '../src/models/parameters/facts.ts'
import { WHISPER_PARAMETERS } from '../src/models/whisper/parameters/parameter-descriptions.ts'
import { MAX_SUBTITLE_NUMBER, SUBTITLE_OPTIONS } from '../src/transcript/subtitle-options.ts'
import { WEBHOOK_EVENTS } from '../src/contract/webhook-event.ts'
import { ATTEMPT_CODES, DROPPED_CODES } from '../src/webhooks/delivery-codes.ts'
import { API_PAGE, WEBHOOKS_PAGE, markdownTable, withTable, withTables } from './support/documented-table.ts'

test('the warnings of a transcript are documented', async () => {
  const rows = Object.entries(WARNING_CODES).map(([code, meaning]) => [`\`${code}\``, meaning])
  const page = withTable(API_PAGE, 'seconds of the recording.', markdownTable([['code', ''], ...rows]))
  await expect(page).toMatchFileSnapshot(API_PAGE)
})

test('the parameters of Whisper models are documented', async () => {
  const rows = Object.entries(WHISPER_PARAMETERS).map(([name, { takes, default: value, meaning }]) => {
    return [`\`${name}\``, inWords(takes), `\`${JSON.stringify(value)}\``, meaning]
  })
  const table = markdownTable([['parameter', 'takes', 'default', ''], ...rows])
  const before = 'Unknown ones are refused with 400.'
  await expect(withTable(API_PAGE, before, table)).toMatchFileSnapshot(API_PAGE)
})

test('the parameters that cut cues are documented', async () => {
  const rows = Object.entries(SUBTITLE_OPTIONS).map(([name, { unit, meaning }]) => {
    const takes = name === 'highlight_words' ? unit.replace('|', ' or ') : `an integer from 0 to ${MAX_SUBTITLE_NUMBER}`
    return [`\`${name}\``, takes, meaning]
  })
  const table = markdownTable([['parameter', 'takes', ''], ...rows])
  await expect(withTable(API_PAGE, 'else the answer is 400.', table)).toMatchFileSnapshot(API_PAGE)
})

test('what webhooks are told, and why one is not, is documented', async () => {
  const table = (header: readonly string[], meanings: Readonly<Record<string, string>>): string =>
    markdownTable([header, ...Object.entries(meanings).map(([name, meaning]) => [`\`${name}\``, meaning])])
  const page = withTables(WEBHOOKS_PAGE, [
    ['Types of events:', table(['type', 'is told when'], WEBHOOK_EVENTS)],
    ['An attempt that failed has a `code`:', table(['code', 'the receiver'], ATTEMPT_CODES)],
    ['A delivery that is `dropped`, and not sent, has a `droppedBecause`:', table(['code', ''], DROPPED_CODES)],
  ])
  await expect(page).toMatchFileSnapshot(WEBHOOKS_PAGE)
})
