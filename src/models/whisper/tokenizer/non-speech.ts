/** Marks of speakers and sounds, alone or after a blank. */
const SYMBOLS = [
  ...'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
  ...['<<', '>>', '<<<', '>>>', '--', '---', '-(', '-[', "('", '("', '((', '))', '(((', ')))', '[[', ']]', '{{', '}}'],
  ...['♪♪', '♪♪♪'],
]

/** Their first token is one of theirs alone (U+2640 to U+267F), so it is suppressed even where they take several. */
const NOTES = [...'♩♪♫♬♭♮♯']

/** The set that the reference suppresses as `-1`: hyphens and quotes are allowed within words, but not before one. */
export function nonSpeechTokens(encode: (text: string) => readonly number[]): readonly number[] {
  const tokens = new Set([encode(' -')[0], encode(" '")[0]])
  for (const symbol of [...SYMBOLS, ...NOTES]) {
    for (const ids of [encode(symbol), encode(` ${symbol}`)]) {
      if (ids.length === 1 || NOTES.includes(symbol)) tokens.add(ids[0])
    }
  }
  return [...tokens].filter((id) => id !== undefined).toSorted((one, other) => one - other)
}
