import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProbedLength, ProbedObject } from '../payloads/length-probe.ts'
import { probeLimits } from './probe-limits.ts'
import { MAX_BLOCK_BYTES, MAX_READ_BYTES } from './probe-protocol.ts'
import type { ProbeReply, ProbeRequest } from './probe-protocol.ts'

/** The extension differs between a checkout and a compiled package. */
const ENTRY = fileURLToPath(new URL(`./probe-main${extname(import.meta.url)}`, import.meta.url))

/** To load the libraries, on a machine that has much to do. */
const START_MS = 20_000

/** Why it has a file no more. */
export type ProbeEnd = 'late' | 'dead'

interface Probing {
  readonly object: ProbedObject
  readonly resolve: (length: ProbedLength) => void
  readBytes: number
  isReading: boolean
  /** Something could not be read. */
  hasFailed: boolean
}

/** A process that reads the headers of one file at a time. It ends by itself, by a header that it can't bear, or by `kill`; it does not begin again. */
export class ProbeProcess {
  /** Resolves when it is ready, with false when it died before that. */
  readonly ready: Promise<boolean>
  readonly exited: Promise<unknown>
  readonly #child: ChildProcess
  readonly #onEnd: (why: ProbeEnd) => void
  #probing: Probing | undefined
  #isAlive = true

  /** @param onEnd called when it died or was killed in the middle of a file */
  constructor(onEnd: (why: ProbeEnd) => void) {
    this.#onEnd = onEnd
    const { execPath, execArgv, env } = probeLimits()
    const child = fork(ENTRY, [], {
      ...{ execPath, execArgv: [...execArgv], env },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.#child = child
    this.exited = once(child, 'close').catch(() => undefined)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => this.kill(), START_MS)
    this.ready = promise.finally(() => clearTimeout(timer))
    child.on('message', (message) => {
      const reply = message as ProbeReply | null
      if (reply?.type === 'ready') resolve(true)
      else if (reply !== null) this.#receive(reply)
    })
    const onDead = (): void => {
      this.#isAlive = false
      resolve(false)
      this.#end('dead')
    }
    child.on('error', () => {
      this.kill()
      onDead()
    })
    child.on('exit', onDead)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** False from its kill on, before it is gone. */
  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Undefined seconds when it dies of it, or takes longer than the limit, by which it is killed. */
  async lengthOf(object: ProbedObject, limitMs: number): Promise<ProbedLength> {
    const { promise, resolve } = Promise.withResolvers<ProbedLength>()
    const probing: Probing = { object, resolve, readBytes: 0, isReading: false, hasFailed: false }
    this.#probing = probing
    // Its answer may have come while this process was busy itself, and is read before what is set here.
    const timer = setTimeout(() => setImmediate(() => this.#endIf(probing)), limitMs)
    this.#send({ type: 'probe', bytes: object.bytes, extension: object.extension })
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }

  kill(): void {
    this.#isAlive = false
    this.#child.kill('SIGKILL')
  }

  #endIf(probing: Probing): void {
    if (this.#probing !== probing) return
    this.kill()
    this.#end('late')
  }

  #end(why: ProbeEnd): void {
    const probing = this.#probing
    if (probing === undefined) return
    this.#probing = undefined
    this.#onEnd(why)
    probing.resolve({ seconds: undefined, isFinal: isComplete(probing) })
  }

  /** What it says may be the words of a hostile file: it is checked. */
  #receive(reply: Exclude<ProbeReply, { type: 'ready' }>): void {
    const probing = this.#probing
    if (probing === undefined) return
    if (reply.type === 'read') {
      void this.#answer(probing, reply)
      return
    }
    if (reply.type !== 'length') return
    this.#probing = undefined
    const { seconds, isWorn } = reply
    if (isWorn) this.kill()
    const isLength = typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0
    probing.resolve({ seconds: isLength ? seconds : undefined, isFinal: isComplete(probing) })
  }

  async #answer(probing: Probing, { start, end }: { readonly start: number; readonly end: number }): Promise<void> {
    const { bytes, readRange } = probing.object
    const isWithin =
      Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end && end <= bytes
    if (!isWithin || end - start > MAX_BLOCK_BYTES || probing.readBytes > MAX_READ_BYTES) {
      this.#send({ type: 'bytes', bytes: null })
      return
    }
    probing.readBytes += end - start
    probing.isReading = true
    const read = await readRange(start, end).catch(() => {
      probing.hasFailed = true
      return null
    })
    probing.isReading = false
    if (this.#probing === probing) this.#send({ type: 'bytes', bytes: read })
  }

  /** A process that has just died can't be written to; its `exit` tells of it. */
  #send(request: ProbeRequest): void {
    if (this.#child.connected) this.#child.send(request, () => undefined)
  }
}

/** Whether the file is to blame for what came of it, and not the store. */
function isComplete({ isReading, hasFailed }: Probing): boolean {
  return !isReading && !hasFailed
}
