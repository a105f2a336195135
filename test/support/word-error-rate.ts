/** Lower case, punctuation removed, split at blanks: how the model card counts words. */
export function words(text: string): readonly string[] {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}' ]/gu, '')
    .split(/\s+/)
    .filter((word) => word !== '')
}

/** Levenshtein distance between two lists of words. */
export function wordErrors(reference: readonly string[], hypothesis: readonly string[]): number {
  let row = Array.from({ length: hypothesis.length + 1 }, (_, index) => index)
  for (const [i, expected] of reference.entries()) {
    const next = [i + 1]
    for (const [j, got] of hypothesis.entries()) {
      const substitution = (row[j] ?? 0) + (expected === got ? 0 : 1)
      next.push(Math.min(substitution, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
