import { gzipSync } from 'node:zlib'
import { choose } from '../../test/support/random.ts'
import { frame } from './framing.ts'
import type { RawRequest } from './framing.ts'
import { nastyJson, nastyText, nastyValue } from './nasty-values.ts'
import type { Operation } from './operations.ts'
import { valueFor } from './schema-values.ts'
import type { Schema } from './schema-values.ts'

/** Routes that take forms alone. */
const FORMS = /^\/(?:v1\/audio\/|asr$|detect-language$)/
const BOUNDARY = 'x'
const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`
/** Fields of OpenAI's forms, each with what is usual there. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  model: ['whisper-1', 'sotto/whisper-demo', 'gpt-4o-transcribe', 'none'],
  language: ['en', 'en-US', 'auto', 'klingon'],
  prompt: ['A meeting.'],
  response_format: ['json', 'text', 'srt', 'verbose_json', 'vtt', 'diarized_json'],
  temperature: ['0', '0.4', '2'],
  'timestamp_granularities[]': ['word', 'segment', '["word"]'],
  stream: ['true', 'false'],
  'chunking_strategy[type]': ['server_vad'],
  'include[]': ['logprobs'],
  best_of: ['2', '20', '1e9'],
  clip_timestamps: ['0,1', '[0, 1]'],
}

/** What a synchronous request may bring, and no other one. */
const LARGE_BYTES = 30_000_000

/** What is there to be asked for, so that requests get beyond the first check. */
export interface Known {
  readonly key: string
  /** Upload URLs, with their signatures; some of them were submitted. */
  readonly uploadUrls: readonly string[]
  readonly pollUrls: readonly string[]
  readonly jobIds: readonly string[]
  /** A short recording. */
  readonly recording: Buffer
  /** Of a submit's `input`. */
  readonly input: Schema
}

/** One request to one of the operations: valid, nearly valid, or not at all; the same for the same numbers. */
export function hostileRequest(operations: readonly Operation[], known: Known, random: () => number): RawRequest {
  const operation = choose(operations, random)
  const method =
    random() < 0.97 ? operation.method.toUpperCase() : choose(['TRACE', 'PATCH', 'get', 'LOCK', 'POST', 'PUT'], random)
  const body = bodyFor(operation, known, random)
  const headers: [string, string][] = [
    ['host', random() < 0.98 ? 'localhost' : nastyText(random)],
    ...credentials(known, random),
    ...operation.parameters
      .filter((parameter) => parameter.in === 'header' && random() < 0.7)
      .map(({ name }): [string, string] => [name, headerFor(name, body, random)]),
    ...oddHeaders(random),
  ]
  const isForm = FORMS.test(operation.path) && random() < 0.9
  if (isForm) headers.push(['content-type', FORM_TYPE])
  else if (body !== undefined || random() < 0.1) headers.push(['content-type', contentType(random)])
  const target = targetFor(operation, known, random)
  return frame({ method, target, headers, body: body ?? Buffer.alloc(0) }, random)
}

function targetFor(operation: Operation, known: Known, random: () => number): string {
  const signed = operation.path.includes('{file}')
    ? known.uploadUrls
    : operation.path.endsWith('{id}')
      ? known.pollUrls
      : []
  if (signed.length > 0 && random() < 0.6) {
    const { pathname, search } = new URL(choose(signed, random))
    return pathname + (random() < 0.8 ? search : search.slice(0, Math.floor(random() * search.length)))
  }
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => pathValue(name, known, random))
  const query = operation.parameters
    .filter((parameter) => parameter.in === 'query' && random() < 0.6)
    .map(({ name, schema }) => `${name}=${encoded(textOf(queryValue(name, schema, known, random)), random)}`)
  if (random() < 0.1) query.push(`${encoded(nastyText(random), random)}=${encoded(nastyText(random), random)}`)
  if (random() < 0.05) query.push(...query)
  return query.length === 0 ? path : `${path}?${query.join('&')}`
}

function pathValue(name: string, known: Known, random: () => number): string {
  const usual: Readonly<Record<string, () => string>> = {
    vendor: () => 'tiyarofs',
    version: () => '1',
    publisher: () => choose(['sotto', 'openai'], random),
    model: () => choose(['whisper-demo', 'whisper-tiny'], random),
    id: () => choose(known.jobIds, random),
  }
  const make = usual[name]
  return make !== undefined && random() < 0.85 ? make() : encoded(nastyText(random), random)
}

function queryValue(name: string, schema: Schema, known: Known, random: () => number): unknown {
  if (name === 'extension' && random() < 0.7) return 'wav'
  if (name === 'before' && random() < 0.5) return choose(known.jobIds, random)
  return random() < 0.7 ? valueFor(schema, random) : nastyText(random)
}

/** Percent-encoded as it should be, or as it is, less what would end the request line. */
function encoded(text: string, random: () => number): string {
  if (random() < 0.7) return encodeURIComponent(text.toWellFormed())
  return [...Buffer.from(text)]
    .map((byte) => (byte <= 0x20 || byte >= 0x7f ? `%${byte.toString(16)}` : String.fromCodePoint(byte)))
    .join('')
}

function credentials({ key }: Known, random: () => number): [string, string][] {
  const roll = random()
  if (roll < 0.8) return [['authorization', `Bearer ${key}`]]
  if (roll < 0.88) return []
  return [
    [
      'authorization',
      choose(
        [`Bearer ${nastyText(random)}`, `Basic ${key}`, 'Bearer', `Bearer${' '.repeat(50)}${key}`, nastyText(random)],
        random,
      ),
    ],
  ]
}

function headerFor(name: string, body: Buffer | undefined, random: () => number): string {
  if (random() < 0.3) return nastyText(random)
  const usual: Readonly<Record<string, string>> = {
    'tus-resumable': '1.0.0',
    'upload-offset': '0',
    'upload-length': String(body?.length ?? 100),
    'idempotency-key': `key-${Math.floor(random() * 50)}`,
  }
  return usual[name] ?? nastyText(random)
}

function oddHeaders(random: () => number): [string, string][] {
  const odd: readonly [string, string][] = [
    ['content-encoding', 'gzip'],
    ['content-encoding', 'br, gzip'],
    ['content-range', 'bytes 5-9/10'],
    ['range', 'bytes=0-1,5-'],
    ['accept', 'text/html;q=0.1, */*;q=x'],
    ['accept-encoding', 'gzip, nonsense;q=9'],
    ['origin', 'https://app.example'],
    ['access-control-request-method', 'PUT'],
    ['if-none-match', '*'],
    ['expect', '100-continue'],
    ['expect', 'nonsense'],
    ['upgrade', 'websocket'],
    ['x-forwarded-for', nastyText(random)],
    ['x-forwarded-host', nastyText(random)],
    ['x-http-method-override', 'DELETE'],
    ['cookie', nastyText(random)],
    ['upload-metadata', nastyText(random)],
    ['x-big', 'a'.repeat(Math.floor(random() * 40_000))],
  ]
  return odd.filter(() => random() < 0.02)
}

function contentType(random: () => number): string {
  if (random() < 0.75) return 'application/json'
  return choose(
    [
      'application/octet-stream',
      'application/json; charset=utf-16',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
      'application/offset+octet-stream',
      'audio/wav',
      'json',
      'nonsense',
      nastyText(random),
    ],
    random,
  )
}

function bodyFor(operation: Operation, known: Known, random: () => number): Buffer | undefined {
  const { method, path } = operation
  if (['get', 'head', 'options', 'delete'].includes(method) && random() < 0.9) return undefined
  if (random() < 0.12) return Buffer.from(nastyJson(random))
  if (random() < 0.002) return Buffer.alloc(LARGE_BYTES, choose(['[', ' ', '{"":', 'A'], random))
  if (FORMS.test(path) && random() < 0.9) return maybeZipped(formOf(known, random), random)
  const isUpload = path.includes('{file}')
  const isSync = path.startsWith('/v1/ent/')
  if (isUpload || (isSync && random() < 0.3)) return maybeZipped(part(known.recording, random), random)
  if (isSync) {
    const source =
      random() < 0.7 ? { Bytes: part(known.recording, random).toString('base64') } : { URL: urlFor(known, random) }
    return json({ ...source, ...(random() < 0.5 ? { input: valueFor(known.input, random) } : {}) }, random)
  }
  if (operation.body === undefined) return random() < 0.7 ? undefined : json(nastyValue(random), random)
  const value = valueFor(operation.body, random)
  const isObject = typeof value === 'object' && value !== null && 'URL' in value
  return json(isObject && random() < 0.95 ? { ...value, URL: urlFor(known, random) } : value, random)
}

function urlFor({ uploadUrls }: Known, random: () => number): string {
  const url = choose(uploadUrls, random)
  const roll = random()
  if (roll < 0.8) return url
  return roll < 0.9 ? nastyText(random) : url.slice(0, Math.floor(random() * url.length)) + nastyText(random)
}

/** A form with its recording among its fields, or nearly one. */
function formOf(known: Known, random: () => number): Buffer {
  const fields = Object.entries(FIELDS).flatMap(([name, usual]) => {
    if (random() < (name === 'model' ? 0.1 : 0.7)) return []
    const value = random() < 0.85 ? choose(usual, random) : nastyText(random)
    return [formPart(`name="${random() < 0.97 ? name : nastyText(random)}"`, Buffer.from(value))]
  })
  const name = choose(['file', 'file', 'file', 'audio_file', nastyText(random)], random)
  const fileName = random() < 0.8 ? '; filename="a.wav"' : random() < 0.5 ? '' : `; filename="${nastyText(random)}"`
  const files = random() < 0.93 ? [formPart(`name="${name}"${fileName}`, part(known.recording, random))] : []
  const parts = random() < 0.5 ? [...fields, ...files] : [...files, ...fields]
  const end = Buffer.from(random() < 0.95 ? `--${BOUNDARY}--\r\n` : '')
  return Buffer.concat([...parts, end])
}

function formPart(disposition: string, content: Buffer): Buffer {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), content, Buffer.from('\r\n')])
}

/** All of it, or a piece. */
function part(bytes: Buffer, random: () => number): Buffer {
  return random() < 0.5 ? bytes : bytes.subarray(0, Math.floor(random() * bytes.length))
}

function maybeZipped(bytes: Buffer, random: () => number): Buffer {
  return random() < 0.05 ? gzipSync(bytes) : bytes
}

function json(value: unknown, random: () => number): Buffer {
  const bytes = Buffer.from(JSON.stringify(value))
  if (random() < 0.03) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256)
  return maybeZipped(bytes, random)
}

/** Also of an object whose `toString` is what the generator put there. */
function textOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
