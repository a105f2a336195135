import type { WordTiming } from './find-alignment.ts'

/**
 * Merges punctuation into the word that it belongs to; what was merged stays as a word without text and tokens, whose place others
 * count on. A word counts as punctuation when it is part of the list, and so does an empty one: the reference asks Python's `in`.
 * @param alignment changed in place
 */
export function mergePunctuations(alignment: readonly WordTiming[], prepended: string, appended: string): void {
  let following = alignment.at(-1)
  for (const previous of alignment.slice(0, -1).toReversed()) {
    if (following !== undefined && previous.word.startsWith(' ') && prepended.includes(previous.word.trim())) {
      following.word = previous.word + following.word
      following.tokens = [...previous.tokens, ...following.tokens]
      empty(previous)
    } else following = previous
  }

  let previous = alignment[0]
  for (const next of alignment.slice(1)) {
    if (previous !== undefined && !previous.word.endsWith(' ') && appended.includes(next.word)) {
      previous.word += next.word
      previous.tokens = [...previous.tokens, ...next.tokens]
      empty(next)
    } else previous = next
  }
}

function empty(timing: WordTiming): void {
  timing.word = ''
  timing.tokens = []
}
