import { create } from 'content-disposition'
import type { TranscriptFormat } from '../../transcript/formats.ts'

/** In code points; file systems take 255 bytes, extension included. */
const MAX_LENGTH = 60
/** What no file system takes, controls, and marks that turn the direction of writing, which make an extension look like another one. */
const NOT_IN_NAMES = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff<>:"/\\|?*]/gu
/** Windows knows devices by these names, whatever their extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)$/i

/**
 * `Content-Disposition` of a result, which a browser is to keep as a file: named after the recording, with the format's extension in the
 * place of its own (RFC 6266; beyond ASCII by RFC 8187).
 * @param name the recording's, as its client gave it: anything
 * @param id the job's, for a recording that has no name, or none that a file could have
 */
export function contentDisposition(name: string | null, id: string, format: TranscriptFormat): string {
  return create(`${stem(name ?? '') || id}.${format}`)
}

function stem(name: string): string {
  // Whatever is before it is a folder, on one system or the other.
  const base = name.toWellFormed().split(/[/\\]/).at(-1) ?? ''
  const clean = base.replaceAll(NOT_IN_NAMES, '_').replace(/\.[\p{L}\p{N}]{1,8}$/u, '')
  const short = [...clean].slice(0, MAX_LENGTH).join('')
  const bare = short.replace(/^[\s.]+/, '').replace(/[\s.]+$/, '')
  return DEVICE.test(bare) ? `${bare}_` : bare
}
