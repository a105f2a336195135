import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fixture } from '../../../test/support/clips.ts'
import { DEFAULT_PARAMETERS } from '../../../test/support/golden.ts'
import type { CageOptions } from './cage.ts'
import { EnginePool } from './engine-pool.ts'
import type { EngineNeeds } from './engine-places.ts'
import type { EnginePoolOptions, Held } from './engine-pool.ts'
import { PROJECT } from '../../../test/support/server.ts'

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

function poolOf(options: Partial<EnginePoolOptions> = {}): EnginePool {
  return new EnginePool({
    settings: { precision: 'f32', threads: 1, batch: 2, temporaryFolder: folder, cacheFolder: folder },
    ...{ computing: 2, ttlMs: 60_000, memoryBytes: 1000 },
    logger: pino({ level: 'silent' }),
    ...options,
  })
}

/** Each model takes 100 bytes, and has two places. */
function needsOf(model: number, given: Partial<EngineNeeds> = {}): EngineNeeds {
  return { modelFolder: models[model] ?? '', bytes: 100, places: 2, ...given }
}

type HoldOptions = Parameters<EnginePool['hold']>[1]

/** Takes a place that has to be there. */
function hold(pool: EnginePool, model: number, options: HoldOptions = {}, needs: Partial<EngineNeeds> = {}): Held {
  const held = pool.hold(needsOf(model, needs), options)
  if (held === undefined) throw new Error(`there is no room for model ${model}`)
  return held
}

/** Holds a model, uses it, and says by which process; lets go of it. */
async function use(pool: EnginePool, model: number): Promise<number> {
  using held = hold(pool, model, { isExpress: true })
  expect((await held.transcribe(task, { signal: never })).text).not.toBe('')
  return held.process.pid ?? 0
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
  const [one, other] = await Promise.all([use(pool, 0), use(pool, 0)])
  expect(other).toBe(one)
  expect(await use(pool, 0)).toBe(one)
  expect(await use(pool, 1)).not.toBe(one)
})

test('a model has so many places, and each that is given back is free again, once', async () => {
  await using pool = poolOf()
  const single = { places: 1 }
  const first = hold(pool, 0, {}, single)
  expect(pool.hold(needsOf(0, single))).toBeUndefined()
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  hold(pool, 0, {}, single)
  expect(pool.hold(needsOf(0, single))).toBeUndefined()
})

test('the last place of several is kept for short tasks', async () => {
  await using pool = poolOf()
  hold(pool, 0)
  expect(pool.hold(needsOf(0))).toBeUndefined()
  hold(pool, 0, { isExpress: true })
  expect(pool.hold(needsOf(0), { isExpress: true })).toBeUndefined()
})

test('an aborted task keeps its place until its native call has returned, and then the pool tells', async () => {
  await using pool = poolOf()
  const held = hold(pool, 0)
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const controller = new AbortController()
  const running = held.transcribe(task, { signal: controller.signal, onProgress: () => begin() })
  await begun
  controller.abort(new Error('enough'))
  await expect(running).rejects.toThrow('enough')
  held[Symbol.dispose]()
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  using _ = pool.onRoom(tell)
  expect(pool.engines).toMatchObject([{ holders: 0, takenPlaces: 1 }])
  await told
  expect(pool.engines).toMatchObject([{ holders: 0, takenPlaces: 0 }])
})

test('a task that is to be alone has a process that nobody shares, and that ends with it', async () => {
  await using pool = poolOf()
  const shared = hold(pool, 0)
  const alone = hold(pool, 0, { isAlone: true })
  expect(alone.process).not.toBe(shared.process)
  expect(pool.engines).toMatchObject([
    { isAlone: false, places: 2 },
    { isAlone: true, places: 1 },
  ])
  expect(hold(pool, 0, { isExpress: true }).process).toBe(shared.process)
  alone[Symbol.dispose]()
  expect(pool.engines).toMatchObject([{ isAlone: false, holders: 2, expressHolders: 1 }])
})

test('a place that becomes free is told of, to who still listens', async () => {
  await using pool = poolOf()
  let told = 0
  const listening = pool.onRoom(() => (told += 1))
  hold(pool, 0)[Symbol.dispose]()
  expect(told).toBe(1)
  listening[Symbol.dispose]()
  hold(pool, 0)[Symbol.dispose]()
  expect(told).toBe(1)
})

test('a model has been left when the last of its tasks has ended, and serves since the first one has', async () => {
  let nowMs = 1000
  await using pool = poolOf({ nowMs: () => nowMs })
  const [first, second] = [hold(pool, 0), hold(pool, 0, { isExpress: true })]
  nowMs = 2000
  first[Symbol.dispose]()
  expect(pool.leftAtMs(DEMO)).toBeUndefined()
  expect(pool.engines).toMatchObject([{ loadedAtMs: 1000, servesSinceMs: 2000 }])
  nowMs = 3000
  second[Symbol.dispose]()
  expect(pool.leftAtMs(DEMO)).toBe(3000)
  expect(pool.engines).toMatchObject([{ servesSinceMs: 2000, holders: 0, expressHolders: 0 }])
})

describe('of engines that share the cores', () => {
  /** A place in a model's engine, whose process computes nothing: it ends a task when the test says so. */
  function place(pool: EnginePool, model: number, options: HoldOptions = {}) {
    const held = hold(pool, model, options)
    const { process: engine } = held
    const end = Promise.withResolvers<never>()
    vi.spyOn(engine, 'transcribe').mockImplementationOnce(() => end.promise)
    const state = { isPaused: false, pauses: 0 }
    vi.spyOn(engine, 'pause').mockImplementation(async () => {
      state.isPaused = true
      state.pauses += 1
    })
    vi.spyOn(engine, 'resume').mockImplementation(() => void (state.isPaused = false))
    const ended = held.transcribe(task, { signal: never }).catch(() => undefined)
    const finish = async (): Promise<void> => {
      end.reject(new Error('it is over'))
      await ended
    }
    return { state, finish }
  }

  test('one that has two tasks takes one engine’s part, until both have ended', async () => {
    await using pool = poolOf({ computing: 1 })
    const first = place(pool, 0)
    const second = place(pool, 0, { isExpress: true })
    expect([first, second].map(({ state }) => state.pauses)).toEqual([0, 0])
    const other = place(pool, 1)
    expect(other.state.isPaused).toBe(true)
    await first.finish()
    expect(other.state.isPaused).toBe(true)
    await second.finish()
    expect(other.state.isPaused).toBe(false)
    const third = place(pool, 2)
    expect(third.state.isPaused).toBe(true)
    await other.finish()
    expect(third.state.isPaused).toBe(false)
    await third.finish()
  })
})

test('a model begins to serve when its first task is at it, and not when that got its place', async () => {
  await using pool = poolOf()
  using held = hold(pool, 0)
  expect(pool.engines).toMatchObject([{ servesSinceMs: undefined }])
  await held.transcribe(task, { signal: never })
  expect(pool.engines).toMatchObject([{ servesSinceMs: expect.any(Number) }])
})

test('a model that nobody uses ends after a while, and gives its memory back', async () => {
  await using pool = poolOf({ ttlMs: 50 })
  const pid = await use(pool, 0)
  await expect.poll(() => isRunning(pid)).toBe(false)
  expect(await use(pool, 0)).not.toBe(pid)
})

describe('where memory is for two models', () => {
  test('the one that was used longest ago leaves for the third', async () => {
    await using pool = poolOf({ memoryBytes: 250 })
    const pids = [await use(pool, 0), await use(pool, 1)]
    await use(pool, 0)
    await use(pool, 2)
    await expect.poll(() => pids.map(isRunning)).toEqual([true, false])
  })

  test('a third one finds no room while both are in use, and none is unloaded for it', async () => {
    await using pool = poolOf({ memoryBytes: 250 })
    const first = hold(pool, 0)
    hold(pool, 1)
    expect(pool.hold(needsOf(2))).toBeUndefined()
    expect(pool.engines.map(({ modelFolder }) => modelFolder)).toEqual([models[0], models[1]])
    first[Symbol.dispose]()
    hold(pool, 2)
    expect(pool.engines.map(({ modelFolder }) => modelFolder)).toEqual([models[1], models[2]])
  })

  test('an idle one leaves for the third, and not one in use that was taken longer ago', async () => {
    await using pool = poolOf({ memoryBytes: 250 })
    hold(pool, 0)
    hold(pool, 1)[Symbol.dispose]()
    hold(pool, 2)
    expect(pool.engines.map(({ modelFolder }) => modelFolder)).toEqual([models[0], models[2]])
  })

  test('no more idle ones leave than have to', async () => {
    await using pool = poolOf({ memoryBytes: 250 })
    hold(pool, 0)[Symbol.dispose]()
    hold(pool, 1)[Symbol.dispose]()
    hold(pool, 2, {}, { bytes: 50 })
    expect(pool.engines).toHaveLength(3)
    hold(pool, 3, {}, { bytes: 100 })
    expect(pool.engines.map(({ modelFolder }) => modelFolder)).toEqual([models[1], models[2], ''])
  })

  test('no idle one leaves for a third one that finds no room all the same', async () => {
    await using pool = poolOf({ memoryBytes: 250 })
    hold(pool, 0)[Symbol.dispose]()
    hold(pool, 1)
    expect(pool.hold(needsOf(2, { bytes: 200 }))).toBeUndefined()
    expect(pool.engines).toHaveLength(2)
  })
})

test('a model that is larger than all memory is tried, alone', async () => {
  await using pool = poolOf({ memoryBytes: 50 })
  expect(await use(pool, 0)).toBeGreaterThan(0)
})

test('models share the cores where they are for one', async () => {
  await using pool = poolOf({ computing: 1 })
  const done = await Promise.all([use(pool, 0), use(pool, 1), use(pool, 2)])
  expect(new Set(done).size).toBe(3)
})

test('a task that is to be alone finds no room where memory is for its model once', async () => {
  await using pool = poolOf({ memoryBytes: 150 })
  const shared = hold(pool, 0)
  expect(pool.hold(needsOf(0), { isAlone: true })).toBeUndefined()
  shared[Symbol.dispose]()
  hold(pool, 0, { isAlone: true })
  expect(pool.engines).toMatchObject([{ isAlone: true, places: 1 }])
})

test('a task that is to be alone gets a process of its own, which ends with it', async () => {
  await using pool = poolOf()
  using shared = hold(pool, 0)
  await shared.transcribe(task, { signal: never })
  const alone = hold(pool, 0, { isAlone: true })
  await alone.transcribe(task, { signal: never })
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

  test('is not asked for who has gone already', async () => {
    const { starts, cageOf } = counted()
    await using pool = poolOf({ cageOf })
    await expect(pool.check(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    expect(starts.count).toBe(0)
  })

  test('is not found out on when the pool is disposed of: who asks is told, and no process is left', async () => {
    const pool = poolOf()
    const asked = pool.check(never).catch((error: unknown) => error)
    await pool[Symbol.asyncDispose]()
    expect(await asked).toMatchObject({ name: 'AbortError' })
  })

  test('needs no try while one runs', async () => {
    const { starts, cageOf } = counted()
    await using pool = poolOf({ cageOf })
    await use(pool, 0)
    await pool.check(never)
    expect(starts.count).toBe(1)
  })
})

test('disposing of it ends all processes', async () => {
  const pool = poolOf()
  const pids = [await use(pool, 0), await use(pool, 1)]
  await pool[Symbol.asyncDispose]()
  expect(pids.map(isRunning)).toEqual([false, false])
})
