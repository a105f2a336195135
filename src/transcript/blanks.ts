/** What Python's `str.strip` takes for white space; JavaScript's `trim` takes some of it for text, and U+FEFF for white space. */
const BLANK = String.raw`[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`
const BEFORE = new RegExp(`^${BLANK}+`)
const BLANK_THROUGHOUT = new RegExp(`^${BLANK}*$`)
const IS_BLANK = new RegExp(BLANK)

/** The text without the white space at both of its ends. */
export function stripped(text: string): string {
  let end = text.length
  // Not by an expression that ends in `$`, which tries anew from each blank inside.
  while (end > 0 && IS_BLANK.test(text.charAt(end - 1))) end -= 1
  return text.slice(0, end).replace(BEFORE, '')
}

/** The white space that it begins with, and the rest. */
export function afterBlanks(text: string): readonly [blanks: string, rest: string] {
  const blanks = BEFORE.exec(text)?.[0] ?? ''
  return [blanks, text.slice(blanks.length)]
}

export function isBlank(text: string): boolean {
  return BLANK_THROUGHOUT.test(text)
}
