/** Of a file that does not say: usual rates for speech, so that its length is of the right order. */
const BYTES_PER_SECOND = 16_000
const OPUS_BYTES_PER_SECOND = 6000
const USUALLY_OPUS: ReadonlySet<string> = new Set(['ogg', 'oga', 'opus', 'webm'])

/** How long a recording may be by its size alone, in seconds. */
export function guessedLength({ bytes, extension }: { readonly bytes: number; readonly extension: string }): number {
  return Math.max(1, bytes / (USUALLY_OPUS.has(extension) ? OPUS_BYTES_PER_SECOND : BYTES_PER_SECOND))
}
