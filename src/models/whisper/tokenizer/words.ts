import type { Tokenizer } from './tokenizer.ts'

export interface TokenWord {
  readonly text: string
  readonly tokens: readonly number[]
}

/** Languages that do not put blanks between words. */
const WITHOUT_BLANKS: ReadonlySet<string> = new Set(['zh', 'ja', 'th', 'lo', 'my', 'yue'])

/** Python's string.punctuation, where the empty string counts as contained. */
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'

/** Splits tokens into words; in languages without blanks, wherever they are whole characters. */
export function splitToWords(tokenizer: Tokenizer, tokens: readonly number[], language: string): readonly TokenWord[] {
  const characters = splitToCharacters(tokenizer, tokens)
  if (WITHOUT_BLANKS.has(language)) return characters
  const words: { text: string; tokens: number[] }[] = []
  for (const { text, tokens: ids } of characters) {
    const last = words.at(-1)
    const isSpecial = (ids[0] ?? 0) >= tokenizer.eot
    if (last === undefined || isSpecial || text.startsWith(' ') || PUNCTUATION.includes(text.trim())) {
      words.push({ text, tokens: [...ids] })
    } else {
      last.text += text
      last.tokens.push(...ids)
    }
  }
  return words
}

/** A token may end within a character: then it waits for the next ones. */
function splitToCharacters(tokenizer: Tokenizer, tokens: readonly number[]): readonly TokenWord[] {
  const whole = [...tokenizer.decodeWithTimestamps(tokens)]
  const words: TokenWord[] = []
  let pending: number[] = []
  let offset = 0
  for (const token of tokens) {
    pending.push(token)
    const text = tokenizer.decodeWithTimestamps(pending)
    const characters = [...text]
    const broken = characters.indexOf('\ufffd')
    // U+FFFD may also be what the text itself says.
    if (broken === -1 || whole[offset + broken] === '\ufffd') {
      words.push({ text, tokens: pending })
      pending = []
      offset += characters.length
    }
  }
  return words
}
