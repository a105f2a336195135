/** What files of a media type are usually called (RFC 6838, and what servers send). */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'audio/aac': 'aac',
  'audio/aiff': 'aiff',
  'audio/amr': 'amr',
  'audio/flac': 'flac',
  'audio/m4a': 'm4a',
  'audio/mp3': 'mp3',
  'audio/mp4': 'm4a',
  'audio/mpeg': 'mp3',
  'audio/ogg': 'ogg',
  'audio/opus': 'opus',
  'audio/vnd.wave': 'wav',
  'audio/wav': 'wav',
  'audio/wave': 'wav',
  'audio/webm': 'webm',
  'audio/x-flac': 'flac',
  'audio/x-m4a': 'm4a',
  'audio/x-wav': 'wav',
  'application/ogg': 'ogg',
  'video/mp4': 'mp4',
  'video/ogg': 'ogg',
  'video/quicktime': 'mov',
  'video/webm': 'webm',
  'video/x-matroska': 'mkv',
}

/** Of a `Content-Type`, without the dot; undefined where it tells nothing. */
export function extensionOf(contentType: unknown): string | undefined {
  if (typeof contentType !== 'string') return undefined
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase()
  return Object.hasOwn(EXTENSIONS, type) ? EXTENSIONS[type] : undefined
}
