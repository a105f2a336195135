import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Pinger } from './pinger.ts'
import { figuresOf } from './pings.ts'

async function blockable(): Promise<{ readonly child: ChildProcess; readonly url: string } & AsyncDisposable> {
  const child = fork(join(import.meta.dirname, 'blocked-server.child.ts'), { execArgv: [] })
  const [port] = (await once(child, 'message')) as [number]
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  return { child, url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: end }
}

test('a server that does not answer is noticed before it answers again, and told apart from a busy machine', async () => {
  await using server = await blockable()
  await using pinger = await Pinger.start(server.url)
  server.child.send(600_000)
  const figures = () => pinger.figures()
  await expect.poll(async () => (await figures()).longestOwnMs).toBeGreaterThan(1000)
  expect((await figures()).unanswered).toBe(0)
})

test('a server that is gone is noticed', async () => {
  await using server = await blockable()
  await using pinger = await Pinger.start(server.url)
  await server[Symbol.asyncDispose]()
  await expect.poll(async () => (await pinger.figures()).unanswered).toBeGreaterThan(0)
})

test('what the control waits at the same time is taken off', () => {
  const ping = (startedMs: number, endedMs: number) => ({ startedMs, endedMs, isAnswered: true })
  const watched = [ping(0, 10), ping(100, 2100), ping(3000, 3100)]
  const busyMachine = [ping(0, 5), ping(50, 1850), ping(2000, 2010), ping(3000, 3005)]
  expect(figuresOf(watched, busyMachine)).toEqual({
    ...{ pings: 3, longestMs: 2000, controlLongestMs: 1800, longestOwnMs: 200, unanswered: 0 },
  })
  const calmMachine = [ping(0, 5), ping(50, 60), ping(2000, 2010), ping(3000, 3005)]
  expect(figuresOf(watched, calmMachine).longestOwnMs).toBe(1990)
})
