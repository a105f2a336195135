import { PayloadError } from './errors.ts'

/**
 * Names an object: `uploads/<uuid>-<mac>.<extension>` (`uploads/upload.ts`) or `results/<job>/<attempt>.json`. Made by the server alone;
 * the store refuses keys with any other character than letters, digits, `-`, `_`, `.` and `/`, and empty, `.` and `..` parts.
 */
export type PayloadKey = string

/** The longest name that the usual file systems take, in bytes; a key is ASCII. */
const MAX_PART_LENGTH = 255
const MAX_KEY_LENGTH = 1024

/** Whether a key is as `PayloadKey` says. */
export function isKey(key: string): boolean {
  return (
    key.length <= MAX_KEY_LENGTH &&
    key
      .split('/')
      .every((part) => /^[\w.-]+$/.test(part) && part.length <= MAX_PART_LENGTH && part !== '.' && part !== '..')
  )
}

/** @throws PayloadError `payload.invalid_key` unless the key is as `PayloadKey` says */
export function checkKey(key: PayloadKey): void {
  if (isKey(key)) return
  throw new PayloadError('payload.invalid_key', `${JSON.stringify(key.slice(0, 100))} is not the key of a payload.`)
}
