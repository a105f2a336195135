import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import process from 'node:process'
import { text } from 'node:stream/consumers'
import type { FastifyRequest } from 'fastify'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { REQUEST_LIMITS } from '../http/request-limits.ts'
import { arrivingBody, paceOf } from './arriving.ts'

const { paceMs, paceBytes } = REQUEST_LIMITS

/** What of a request its pace is seen by. */
function arriving(state: { readonly destroyed?: boolean; readonly complete?: boolean } = {}) {
  const over = { destroyed: false, complete: false, ...state }
  const raw = Object.assign(new EventEmitter(), { socket: { bytesRead: 500 }, readableLength: 0, ...over })
  return { raw, slow: paceOf({ raw } as unknown as FastifyRequest, REQUEST_LIMITS) }
}

describe('paceOf', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('waits for a phone at ten kilobytes a second, for hours', () => {
    const { raw, slow } = arriving()
    for (let second = 0; second < 7200; second++) {
      raw.socket.bytesRead += 10_000
      vi.advanceTimersByTime(1000)
    }
    expect(slow.aborted).toBe(false)
  })

  test('waits for one that hears nothing for half a minute', () => {
    const { raw, slow } = arriving()
    for (let round = 0; round < 20; round++) {
      vi.advanceTimersByTime(30_000)
      raw.socket.bytesRead += 100_000
      vi.advanceTimersByTime(10_000)
    }
    expect(slow.aborted).toBe(false)
  })

  test('ends a byte every five seconds with 408', () => {
    const { raw, slow } = arriving()
    for (let at = 0; at < paceMs; at += 5000) {
      expect(slow.aborted).toBe(false)
      raw.socket.bytesRead += 1
      vi.advanceTimersByTime(5000)
    }
    expect(slow.reason).toMatchObject({ status: 408 })
  })

  test('does not blame a client for what waits here to be taken up', () => {
    const { raw, slow } = arriving()
    raw.readableLength = 65_536
    vi.advanceTimersByTime(10 * paceMs)
    expect(slow.aborted).toBe(false)
    raw.readableLength = 0
    raw.socket.bytesRead += paceBytes
    vi.advanceTimersByTime(paceMs)
    expect(slow.aborted).toBe(false)
    vi.advanceTimersByTime(paceMs)
    expect(slow.aborted).toBe(true)
  })

  test.each(['end', 'close'])('looks no further after %s', (event) => {
    const { raw, slow } = arriving()
    raw.emit(event)
    expect(vi.getTimerCount()).toBe(0)
    vi.advanceTimersByTime(10 * paceMs)
    expect(slow.aborted).toBe(false)
  })

  test.each([{ destroyed: true }, { complete: true }])('does not look after one that is over: %j', (state) => {
    const { slow } = arriving(state)
    expect(vi.getTimerCount()).toBe(0)
    expect(slow.aborted).toBe(false)
  })

  test('looks no further when all has arrived, though nobody reads it', () => {
    const { raw, slow } = arriving()
    raw.readableLength = 65_536
    raw.complete = true
    vi.advanceTimersByTime(paceMs)
    expect(vi.getTimerCount()).toBe(0)
    expect(slow.aborted).toBe(false)
  })
})

test('a body whose sender went while its turn was waited for breaks off, and nothing goes on looking for it', async () => {
  await using server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1')
  client.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it')
  const [raw] = (await once(server, 'request')) as [IncomingMessage]
  client.destroy()
  raw.on('error', () => undefined)
  await new Promise((resolve) => raw.once('close', resolve))
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const body = arrivingBody({ raw, headers: raw.headers } as FastifyRequest, REQUEST_LIMITS)
  await expect(text(body)).rejects.toThrow('broke off')
  expect(timers()).toBe(before)
})
