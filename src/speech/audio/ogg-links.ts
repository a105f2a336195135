import type { FileBytes } from './file-bytes.ts'

const BLOCK_BYTES = 1 << 16
/** Of a page's header, up to its flags. */
const PAGE_START_BYTES = 6
const BEGINS_STREAM = 0x02

/** Where the next stream of a chained Ogg file begins, at or behind `from`; undefined: there is none. */
export function nextOggLink(file: FileBytes, from: number): number | undefined {
  for (let at = from; at < file.size; at += BLOCK_BYTES) {
    const block = file.read(at, BLOCK_BYTES + PAGE_START_BYTES)
    for (let page = block.indexOf('OggS', 0, 'latin1'); page !== -1; page = block.indexOf('OggS', page + 4, 'latin1')) {
      if (page < BLOCK_BYTES && block[page + 4] === 0 && ((block[page + 5] ?? 0) & BEGINS_STREAM) !== 0)
        return at + page
    }
  }
  return undefined
}
