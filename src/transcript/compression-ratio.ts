import { deflate } from 'pako'

/**
 * UTF-8 bytes over their zlib-compressed bytes: high for text that repeats itself. zlib's own matches count, as in the reference:
 * pako 2 finds the same, while Node's zlib is Chromium's and, like pako 3, compresses such texts to some bytes less.
 */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text)
  return bytes.length / deflate(bytes).length
}
