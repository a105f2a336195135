import { get } from 'node:http'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import type { PingRecord } from './pings.ts'

/**
 * Asks two servers for an answer all the time, each on its own, from a process that does nothing else: `pinger.child.ts <url watched>
 * <url of the control>`. Any message is answered with all pings so far, those without an answer yet too.
 */
const PAUSE_MS = 50
const [watched = '', control = ''] = process.argv.slice(2)
const records = { watched: await keepAsking(watched), control: await keepAsking(control) }
process.on('message', () => process.send?.({ watched: records.watched(), control: records.control() }))
process.on('disconnect', () => process.exit())
process.send?.('ready')

/** Resolves when the server has answered once. */
async function keepAsking(url: string): Promise<() => readonly PingRecord[]> {
  const done: PingRecord[] = []
  let startedMs = performance.now()
  const next = async (): Promise<void> => {
    startedMs = performance.now()
    const isAnswered = await ask(url)
    done.push({ startedMs, endedMs: performance.now(), isAnswered })
  }
  await next()
  void (async () => {
    for (;;) {
      await delay(PAUSE_MS)
      await next()
    }
  })()
  return () => {
    const last = done.at(-1)
    const isOpen = last !== undefined && startedMs > last.startedMs
    return isOpen ? [...done, { startedMs, endedMs: performance.now(), isAnswered: true }] : done
  }
}

/** Says whether there was an answer at all; waits as long as it takes. A connection of its own for each, as a new client has. */
async function ask(url: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const request = get(url, { agent: false }, (response) => {
    response.resume()
    response.on('end', () => resolve(response.statusCode === 200))
    response.on('error', () => resolve(false))
  })
  request.on('error', () => resolve(false))
  return await promise
}
