import type { Answer } from './answers.ts'

/** What is known of the bytes behind a URL, so that those of another answer can be told to be the same ones (RFC 9110, 13.1.5). */
export interface Representation {
  /** Strong ones alone: a weak one may stand for other bytes. */
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** Undefined: the server does not say. */
  readonly totalBytes: number | undefined
}

export function representationOf({ headers }: Answer): Representation {
  const etag = textOf(headers['etag'])
  const length = textOf(headers['content-length'])
  return {
    etag: etag?.startsWith('W/') === true ? undefined : etag,
    lastModified: textOf(headers['last-modified']),
    totalBytes: length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
  }
}

/** What goes into `If-Range`; undefined: nothing tells whether the bytes are still the same. */
export function validatorOf({ etag, lastModified }: Representation): string | undefined {
  return etag ?? lastModified
}

/** Where an answer goes on: from which byte, and how many of its own come before it that are known already. Undefined: it is of other bytes. */
export function continuationOf(
  answer: Answer,
  known: Representation,
  receivedBytes: number,
): { readonly skipBytes: number } | undefined {
  const now = representationOf(answer)
  if (answer.statusCode === 206) {
    const [, from, total] =
      /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(textOf(answer.headers['content-range']) ?? '') ?? []
    const isSameLength = total === '*' || known.totalBytes === undefined || Number(total) === known.totalBytes
    return Number(from) === receivedBytes && isSameLength && isSame(now, known) ? { skipBytes: 0 } : undefined
  }
  // It has ignored the range, or another recording is there by now.
  const isWhole = now.totalBytes === known.totalBytes
  return isWhole && validatorOf(now) !== undefined && isSame(now, known) ? { skipBytes: receivedBytes } : undefined
}

/** What a 206 leaves out was said before. */
function isSame(now: Representation, known: Representation): boolean {
  if (known.etag !== undefined) return now.etag === undefined || now.etag === known.etag
  return now.lastModified === undefined || now.lastModified === known.lastModified
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}
