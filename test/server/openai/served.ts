import { openAsBlob } from 'node:fs'
import { basename } from 'node:path'
import { fixture } from '../../support/clips.ts'

/** The server that all of these ask. */
export interface Served {
  readonly url: string
  readonly key: string
}

export const SHORT = fixture('en-short.wav')
/** What is said in it. */
export const SHORT_TEXT = "The meeting starts at 10 o'clock in the afternoon."
export const SPANISH = fixture('es-short.ogg')
/** Of two windows. */
export const MINUTE = fixture('en-one-minute.m4a')

export interface OpenAiError {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

/** A form as clients in many languages make it. The file is sent where it stands. */
export async function formOf(
  fields: readonly (readonly [string, string])[],
  file = SHORT,
  fileName = basename(file),
): Promise<FormData> {
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  form.append('file', await openAsBlob(file), fileName)
  return form
}

export async function post(
  { url, key }: Served,
  body: FormData,
  path = '/v1/audio/transcriptions',
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return await fetch(`${url}${path}`, { method: 'POST', body, headers: { authorization: `Bearer ${key}`, ...headers } })
}
