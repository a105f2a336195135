import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { figuresOf } from './pings.ts'
import type { PingFigures, PingRecord } from './pings.ts'

/** Asks a server, and a control that does nothing, for an answer all the time; each of the three in a process of its own. */
export class Pinger implements AsyncDisposable {
  readonly #children: readonly ChildProcess[]
  readonly #pinger: ChildProcess

  private constructor(pinger: ChildProcess, control: ChildProcess) {
    this.#pinger = pinger
    this.#children = [pinger, control]
  }

  static async start(url: string): Promise<Pinger> {
    const control = fork(join(import.meta.dirname, 'control.child.ts'))
    const [port] = (await once(control, 'message')) as [number]
    const pinger = fork(join(import.meta.dirname, 'pinger.child.ts'), [url, `http://127.0.0.1:${port}/`])
    await once(pinger, 'message')
    return new Pinger(pinger, control)
  }

  async figures(): Promise<PingFigures> {
    const answer = once(this.#pinger, 'message')
    this.#pinger.send('figures')
    const [{ watched, control }] = (await answer) as [
      { watched: readonly PingRecord[]; control: readonly PingRecord[] },
    ]
    return figuresOf(watched, control)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      }),
    )
  }
}
