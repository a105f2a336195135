import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../test/support/clips.ts'
import { DEFAULT_PARAMETERS } from '../../test/support/golden.ts'
import type { CageOptions } from './cage.ts'
import { EnginePool } from './engine-pool.ts'
import type { EnginePoolOptions, Held } from './engine-pool.ts'
import { PROJECT } from '../../test/support/server.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
/** The same folder by other names: other models for the pool. */
const OTHER = join(DEMO, '.')
const models = [DEMO, `${OTHER}/`, `${OTHER}//`]
const never = new AbortController().signal
const task = {
  audioPath: fixture('en-short.wav'),
  parameters: { ...DEFAULT_PARAMETERS, language: 'en' },
  maxAudioSeconds: null,
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-pool-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Each model takes 100 bytes. */
function poolOf(options: Partial<EnginePoolOptions> & { readonly batch?: number } = {}): EnginePool {
  const { batch = 2, ...rest } = options
  return new EnginePool({
    settings: { precision: 'f32', threads: 1, batch, temporaryFolder: folder, cacheFolder: folder },
    ...{ computing: 2, ttlMs: 60_000, memoryBytes: 1000, estimate: () => Promise.resolve(100) },
    logger: pino({ level: 'silent' }),
    ...rest,
  })
}

/** Holds a model, uses it, and says by which process; lets go of it unless it is to be kept. */
async function use(pool: EnginePool, model: string): Promise<number> {
  using held = await pool.hold(model, never)
  expect((await held.process.transcribe(task, { signal: never })).text).not.toBe('')
  return held.process.pid ?? 0
}

/** Whether a hold is still waiting when another task has computed: it is there before its abort comes where it was let in. */
async function waits(held: Held, controller: AbortController, waiting: Promise<Held>): Promise<boolean> {
  await held.process.transcribe(task, { signal: never })
  controller.abort(new Error('turned away'))
  return await waiting.then(
    (late) => {
      late[Symbol.dispose]()
      return false
    },
    () => true,
  )
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('tasks of a model share its process, which stays for the next one', async () => {
  await using pool = poolOf()
  const [one, other] = await Promise.all([use(pool, models[0]!), use(pool, models[0]!)])
  expect(other).toBe(one)
  expect(await use(pool, models[0]!)).toBe(one)
  expect(await use(pool, models[1]!)).not.toBe(one)
})

test('further tasks wait until one of the batch is done', async () => {
  await using pool = poolOf({ batch: 1 })
  using first = await pool.hold(models[0]!, never)
  const second = new AbortController()
  const waiting = pool.hold(models[0]!, second.signal)
  expect(await waits(first, second, waiting)).toBe(true)
  first[Symbol.dispose]()
  using _ = await pool.hold(models[0]!, never)
})

test('the last place of a batch is kept for short tasks', async () => {
  await using pool = poolOf({ batch: 2 })
  using _ = await pool.hold(models[0]!, never)
  const controller = new AbortController()
  const long = pool.hold(models[0]!, controller.signal)
  const short = await pool.hold(models[0]!, never, { isExpress: true })
  controller.abort(new Error('enough'))
  await expect(long).rejects.toThrow('enough')
  short[Symbol.dispose]()
})

test('a wait can be aborted', async () => {
  await using pool = poolOf({ batch: 1 })
  using _ = await pool.hold(models[0]!, never)
  const controller = new AbortController()
  const waiting = pool.hold(models[0]!, controller.signal)
  controller.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
})

test('a model that nobody uses ends after a while, and gives its memory back', async () => {
  await using pool = poolOf({ ttlMs: 50 })
  const pid = await use(pool, models[0]!)
  await expect.poll(() => isRunning(pid)).toBe(false)
  expect(await use(pool, models[0]!)).not.toBe(pid)
})

describe('where memory is for two models', () => {
  test('the one that was used longest ago leaves for the third', async () => {
    await using pool = poolOf({ memoryBytes: 250 })
    const pids = [await use(pool, models[0]!), await use(pool, models[1]!)]
    await use(pool, models[0]!)
    await use(pool, models[2]!)
    await expect.poll(() => pids.map(isRunning)).toEqual([true, false])
  })

  test('a third one waits while both are in use', async () => {
    await using pool = poolOf({ memoryBytes: 250 })
    const first = await pool.hold(models[0]!, never)
    using second = await pool.hold(models[1]!, never)
    const third = new AbortController()
    const waiting = pool.hold(models[2]!, third.signal)
    expect(await waits(second, third, waiting)).toBe(true)
    first[Symbol.dispose]()
    using _ = await pool.hold(models[2]!, never)
  })
})

test('a model that is larger than all memory is tried, alone', async () => {
  await using pool = poolOf({ memoryBytes: 50 })
  expect(await use(pool, models[0]!)).toBeGreaterThan(0)
})

test('models take turns where cores are for one', async () => {
  await using pool = poolOf({ computing: 1 })
  const done = await Promise.all([use(pool, models[0]!), use(pool, models[1]!), use(pool, models[2]!)])
  expect(new Set(done).size).toBe(3)
})

test('a task that is to be alone gets a process of its own, which ends with it', async () => {
  await using pool = poolOf()
  using shared = await pool.hold(models[0]!, never)
  await shared.process.transcribe(task, { signal: never })
  const alone = await pool.hold(models[0]!, never, { isAlone: true })
  await alone.process.transcribe(task, { signal: never })
  const { pid = 0 } = alone.process
  expect(pid).not.toBe(shared.process.pid)
  alone[Symbol.dispose]()
  await expect.poll(() => isRunning(pid)).toBe(false)
  expect(isRunning(shared.process.pid ?? 0)).toBe(true)
})

describe('whether an engine answers', () => {
  /** Each start of a process asks for its cage. */
  const counted = () => {
    const starts = { count: 0 }
    const cageOf = (): CageOptions => {
      starts.count += 1
      return { dataBytes: null, fileBytes: null, sandbox: null }
    }
    return { starts, cageOf }
  }

  test('is found out once for all who ask at the same time and soon after', async () => {
    const { starts, cageOf } = counted()
    await using pool = poolOf({ cageOf })
    await Promise.all(Array.from({ length: 12 }, () => pool.check(never)))
    await pool.check(never)
    expect(starts.count).toBe(1)
  })

  test('is found out on, for the next who asks, when one does not wait any longer', async () => {
    const { starts, cageOf } = counted()
    await using pool = poolOf({ cageOf })
    const controller = new AbortController()
    const impatient = pool.check(controller.signal)
    controller.abort(new Error('enough'))
    await expect(impatient).rejects.toThrow('enough')
    await pool.check(never)
    expect(starts.count).toBe(1)
  })

  test('is not remembered for ever: an engine that no longer starts is seen', async () => {
    let dataBytes: number | null = null
    const cageOf = (): CageOptions => ({ dataBytes, fileBytes: null, sandbox: null })
    await using pool = poolOf({ cageOf, answeredMs: 0 })
    await pool.check(never)
    // Less than the program itself needs.
    dataBytes = 2 ** 20
    await expect(pool.check(never)).rejects.toMatchObject({ code: 'engine.crashed' })
    dataBytes = null
    await pool.check(never)
  })

  test('needs no try while one runs', async () => {
    const { starts, cageOf } = counted()
    await using pool = poolOf({ cageOf })
    await use(pool, models[0]!)
    await pool.check(never)
    expect(starts.count).toBe(1)
  })
})

test('disposing of it ends all processes', async () => {
  const pool = poolOf()
  const pids = [await use(pool, models[0]!), await use(pool, models[1]!)]
  await pool[Symbol.asyncDispose]()
  expect(pids.map(isRunning)).toEqual([false, false])
})
