/** Code points, as JSON Schema counts. */
export const MAX_NAME_LENGTH = 255
export const MAX_METADATA_PAIRS = 16
export const MAX_METADATA_KEY_LENGTH = 64
export const MAX_METADATA_VALUE_LENGTH = 512
/** The pair that names the job, for clients that can say nothing but metadata. */
export const NAME_KEY = 'name'

/** What users call their jobs by: strings of their own, which mean nothing here. */
export type Metadata = Readonly<Record<string, string>>

/** Control characters, line and paragraph separators, and halves of surrogate pairs, which no database takes. */
const UNCLEAN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u

/** Whether a text may be a name, or a key or value of metadata, as far as its characters go. */
export function isCleanText(text: string): boolean {
  return !UNCLEAN.test(text)
}

/** The name that a file's gives a job: cut to its length, without what a name may not have; null: nothing is left. */
export function nameOfFile(file: string): string | null {
  const name = [...file.replaceAll(new RegExp(UNCLEAN, 'gu'), '').trim()].slice(0, MAX_NAME_LENGTH).join('')
  return name === '' ? null : name
}

/**
 * What names are searched by: without case, accents and forms of writing, so that `STRASSE` finds `Straße.mp3`. As long as a name at most,
 * since an entry of an index has a limit and one character may be decomposed into eighteen.
 */
export function foldedText(text: string): string {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '')
  // Up first: the capitals of ß are SS.
  return [...plain.toUpperCase().toLowerCase()].slice(0, MAX_NAME_LENGTH).join('')
}
