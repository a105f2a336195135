import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { ApiError } from '../errors/api-error.ts'
import type { RequestLimits } from '../http/request-limits.ts'
import { arrivingBody } from './arriving.ts'
import type { Hold } from './bytes-in-flight.ts'

export type ParseJson = (request: FastifyRequest, text: string) => Promise<unknown>

/** Parses JSON whose nesting is bounded, and refuses what would change prototypes. An empty text is undefined. */
export function jsonParser(api: FastifyInstance, { jsonDepth }: RequestLimits): ParseJson {
  const parse = api.getDefaultJsonParser('error', 'error')
  return async (request, text) => {
    if (text.length === 0) return undefined
    requireShallow(text, jsonDepth)
    return await new Promise((resolve, reject) => {
      void parse(request, text, (error, value: unknown) => (error === null ? resolve(value) : reject(error)))
    })
  }
}

/**
 * The text of a JSON body, whatever Content-Type it has.
 * @throws ApiError 408, 413, 503
 */
export async function jsonText(request: FastifyRequest, limits: RequestLimits, hold: Hold): Promise<string> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limits.jsonBytes) throw tooLarge(limits)
  const isEncoded = request.headers['content-encoding'] !== undefined
  return await collect(isEncoded ? arrivingBody(request, limits) : request.raw, limits, hold)
}

/** Ends early without destroying the body, so that its sender can be answered. */
async function collect(body: Readable, limits: RequestLimits, hold: Hold): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const chunks: Uint8Array[] = []
  let bytes = 0
  const onData = (chunk: Uint8Array): void => {
    bytes += chunk.length
    try {
      if (bytes > limits.jsonBytes) throw tooLarge(limits)
      hold.take(chunk.length)
      chunks.push(chunk)
    } catch (error) {
      reject(error)
    }
  }
  const brokeOff = (): void => reject(new ApiError(400, 'The body broke off before its end. Send it again.'))
  const onError = (error: unknown): void => (error instanceof ApiError ? reject(error) : brokeOff())
  const late = (): void => reject(new ApiError(408, `The body did not arrive within ${limits.jsonMs / 1000} s.`))
  const timer = setTimeout(late, limits.jsonMs)
  body.on('data', onData).on('end', resolve).on('error', onError).on('close', brokeOff)
  try {
    await promise
    return Buffer.concat(chunks).toString()
  } finally {
    clearTimeout(timer)
    body.off('data', onData).off('end', resolve).off('close', brokeOff)
    body.pause()
  }
}

function tooLarge({ jsonBytes }: RequestLimits): ApiError {
  return new ApiError(413, `The body has more than the ${jsonBytes} bytes that JSON may have here.`)
}

/** @throws ApiError 400; whether it is JSON is for others to say */
function requireShallow(text: string, maxDepth: number): void {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: // "
        at = endOfString(text, at + 1)
        break
      case 0x5b: // [
      case 0x7b: // {
        depth += 1
        if (depth > maxDepth) {
          throw new ApiError(400, `The JSON body is nested more than ${maxDepth} deep, which nothing here takes.`)
        }
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1
        break
    }
  }
}

/** Where the closing quote is, or the text's end. */
function endOfString(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) return at
    if (code === 0x5c) at += 1
  }
  return text.length
}
