/** `next`: what comes behind in the list's order. `previous`: what comes before. */
export type PageDirection = 'next' | 'previous'

/** A place in a list beside an id, whose job need not be there: so it stays one when jobs are removed. */
export interface Cursor {
  readonly direction: PageDirection
  readonly id: string
  /** Whether the job with this id is on the page that is asked for. */
  readonly isInclusive: boolean
}

const UUID = String.raw`[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}`
/** The commonest is an id alone, as clients of earlier versions send it. */
export const CURSOR_PATTERN = `^~?${UUID}\\.?$`
const CURSOR = new RegExp(`^(~?)(${UUID})(\\.?)$`)

export function cursorText({ direction, id, isInclusive }: Cursor): string {
  return `${direction === 'previous' ? '~' : ''}${id}${isInclusive ? '.' : ''}`
}

/** Undefined for what is no cursor. */
export function parseCursor(text: string): Cursor | undefined {
  const [, back, id, inclusive] = CURSOR.exec(text) ?? []
  if (id === undefined) return undefined
  return { direction: back === '' ? 'next' : 'previous', id, isInclusive: inclusive !== '' }
}

/** From the same place the other way: what one page has, the other has not. */
export function turned({ direction, id, isInclusive }: Cursor): Cursor {
  return { direction: direction === 'next' ? 'previous' : 'next', id, isInclusive: !isInclusive }
}
