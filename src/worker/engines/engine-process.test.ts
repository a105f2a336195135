import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixture } from '../../../test/support/clips.ts'
import { DEFAULT_PARAMETERS } from '../../../test/support/golden.ts'
import { PROJECT } from '../../../test/support/server.ts'
import { EngineProcess } from './engine-process.ts'
import type { EngineProcessOptions } from './engine-process.ts'
import type { FinishedWindow, RecognitionProgress, RecognitionTask } from '../../contract/recognition-task.ts'
import type { ResumePoint } from '../../contract/resume-point.ts'
import type { EngineSettings } from '../../contract/engine-protocol.ts'

let folder: string
/** For the tests that leave it as it is. */
let shared: EngineProcess
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sotto-engine-'))
  shared = start()
})
afterAll(async () => {
  await shared[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const taskOf = (clip: string): RecognitionTask => ({
  audioPath: fixture(clip),
  parameters: { ...DEFAULT_PARAMETERS, language: clip.slice(0, 2) },
  maxAudioSeconds: null,
})
/** Two windows, in Spanish. */
const LONG = taskOf('es-long.mp3')
const SHORT = taskOf('en-short.wav')
const never = new AbortController().signal

const hung = expect.objectContaining({ code: 'engine.crashed', message: expect.stringContaining('hung') })
const child = (name: string): string => join(PROJECT, `test/support/${name}.child.ts`)

function start(
  options: EngineProcessOptions & Partial<Pick<EngineSettings, 'batch' | 'modelFolder' | 'precision'>> = {},
): EngineProcess {
  const { batch = 4, precision = 'f32', modelFolder = join(PROJECT, 'models/whisper-demo'), ...rest } = options
  const settings = { modelFolder, threads: 1 }
  return new EngineProcess({ ...settings, precision, batch, temporaryFolder: folder, cacheFolder: folder }, rest)
}

/** Starts a task; resolves when its first window is done and the second one has begun. */
async function untilSecondWindow(engine: EngineProcess, signal = never): Promise<{ outcome: Promise<unknown> }> {
  const { promise, resolve } = Promise.withResolvers<RecognitionProgress>()
  const outcome = engine
    .transcribe(LONG, { signal, onProgress: (progress) => progress.phase === 'transcribing' && resolve(progress) })
    .catch((error: unknown) => error)
  await Promise.race([promise, outcome])
  return { outcome }
}

test('tasks at the same time give what each gives alone', async () => {
  const clips = [LONG, SHORT, taskOf('de-short.webm'), taskOf('en-two-voices.mp3')]
  const alone = []
  for (const task of clips) alone.push(await shared.transcribe(task, { signal: never }))
  const together = await Promise.all(clips.map((task) => shared.transcribe(task, { signal: never })))
  const tokensOf = (results: typeof together) => results.map(({ segments }) => segments.map(({ tokens }) => tokens))
  expect(tokensOf(together)).toEqual(tokensOf(alone))
  expect(together.map(({ text }) => text)).toEqual(alone.map(({ text }) => text))
})

test('says how fast it is expected to be before it begins, to each task and with any precision', async () => {
  for (const precision of ['f32', 'q4'] as const) {
    await using engine = start({ precision })
    const told: (number | string)[] = []
    const onExpectedSpeed = (speed: number): void => void told.push(speed)
    const onProgress = ({ phase }: RecognitionProgress): void => void told.push(phase)
    for (const task of [SHORT, SHORT]) {
      told.length = 0
      await engine.transcribe(task, { signal: never, onExpectedSpeed, onProgress })
      expect(told.filter((word) => typeof word === 'number')).toEqual([told[0]])
      expect(told[0]).toBeGreaterThan(0)
      expect(told[0]).toBeLessThan(Infinity)
    }
  }
})

describe('a process that is killed in the middle of a window', () => {
  test('fails what runs in it with a retryable error, and the next task starts a new one', async () => {
    await using engine = start()
    const { outcome } = await untilSecondWindow(engine)
    process.kill(engine.pid ?? 0, 'SIGKILL')
    expect(await outcome).toMatchObject({ code: 'engine.crashed', retryable: true })
    expect((await engine.transcribe(SHORT, { signal: never })).text).not.toBe('')
  })
})

describe('what a process that was killed has finished', () => {
  const task = { ...LONG, parameters: { ...LONG.parameters, sample_len: 48 } }
  const transcribe = async (engine: EngineProcess, given: RecognitionTask, onEach?: (windows: number) => void) => {
    const windows: FinishedWindow[] = []
    const onWindow = (window: FinishedWindow): void => {
      // How long it took is of this run alone.
      windows.push({ ...window, tookMs: 0 })
      onEach?.(windows.length)
    }
    const outcome = await engine.transcribe(given, { signal: never, onWindow }).catch((error: unknown) => error)
    return { windows, outcome }
  }

  let undisturbed: Awaited<ReturnType<typeof transcribe>>
  beforeAll(async () => {
    undisturbed = await transcribe(shared, task)
  })

  test.each([1, 3, 5])('is not decoded again by the next one: %i windows', async (killAt) => {
    expect(undisturbed.windows.length).toBeGreaterThan(killAt + 1)
    await using engine = start()
    const kill = (windows: number): unknown => windows === killAt && process.kill(engine.pid ?? 0, 'SIGKILL')
    const first = await transcribe(engine, task, kill)
    expect(first.outcome).toMatchObject({ code: 'engine.crashed' })
    expect(first.windows.length).toBeGreaterThanOrEqual(killAt)
    const kept = first.windows.map(({ resumePoint }) => JSON.parse(JSON.stringify(resumePoint)) as ResumePoint)

    await using other = start({ batch: 1 })
    const second = await transcribe(other, { ...task, resumeFrom: kept })
    expect(second.outcome).toEqual(undisturbed.outcome)
    expect([...first.windows, ...second.windows]).toEqual(undisturbed.windows)
  })
})

test('all windows of a task are told before it is done', async () => {
  const told: string[] = []
  const onWindow = ({ ordinal }: FinishedWindow): void => void told.push(`window ${ordinal}`)
  await shared.transcribe(LONG, { signal: never, onWindow }).then(() => told.push('done'))
  expect(told).toEqual(['window 0', 'window 1', 'done'])
})

test('parameters that are none of its model’s are refused, and not tried again', async () => {
  const outcome = shared.transcribe(
    { ...SHORT, parameters: { unit: 'seconds', temperature: 'hot' } },
    { signal: never },
  )
  await expect(outcome).rejects.toMatchObject({ code: 'input.invalid', retryable: false })
})

test('a folder of no model is refused before anything is loaded', async () => {
  await using engine = start({ modelFolder: folder })
  await expect(engine.transcribe(SHORT, { signal: never })).rejects.toMatchObject({ code: 'checkpoint.missing_file' })
})

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'goes on after %s, which its worker gets as well',
  async (signal) => {
    const { outcome } = await untilSecondWindow(shared)
    const { pid } = shared
    process.kill(pid ?? 0, signal)
    expect(await outcome).toMatchObject({ text: expect.stringMatching(/\w/) })
    expect(shared.pid).toBe(pid)
  },
)

test('a process that hangs is ended, and said to have given no sign of life', async () => {
  await using engine = start({ stallMs: 20_000 })
  const { outcome } = await untilSecondWindow(engine)
  const { pid } = engine
  process.kill(pid ?? 0, 'SIGSTOP')
  expect(await outcome).toMatchObject({ code: 'engine.crashed', message: expect.stringContaining('no sign of life') })
  await expect.poll(() => isRunning(pid)).toBe(false)
})

test('who was stopped itself has not heard the process, and does not end it', async () => {
  await using engine = start({ entry: child('busy-engine'), stallMs: 3000 })
  await engine.ready(never)
  const { pid } = engine
  const outcome = engine.transcribe(SHORT, { signal: never }).catch((error: unknown) => error)
  await engine.ready(never)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000)
  await engine.ready(never)
  expect(engine.pid).toBe(pid)
  process.kill(pid ?? 0, 'SIGKILL')
  expect(await outcome).toMatchObject({ message: 'The engine process ended with SIGKILL.' })
})

test('a process whose reading of a recording hangs is ended, though it says that it is alive', async () => {
  await using engine = start({ entry: child('hanging-engine') })
  const outcomes = await Promise.all(
    [SHORT, LONG].map((task) => engine.transcribe(task, { signal: never }).catch((error: unknown) => error)),
  )
  expect(outcomes).toEqual([hung, hung])
})

test('a code that is not known here reaches nobody', async () => {
  await using engine = start({ entry: child('newer-engine') })
  const outcome = engine.transcribe(SHORT, { signal: never })
  await expect(outcome).rejects.toMatchObject({ code: 'engine.failed', retryable: true, message: 'It is too late.' })
})

test('an abort is answered at once; others in the same process go on', async () => {
  const controller = new AbortController()
  const { outcome } = await untilSecondWindow(shared, controller.signal)
  const other = shared.transcribe(SHORT, { signal: never })
  const { pid } = shared
  controller.abort(new Error('enough'))
  expect(await outcome).toMatchObject({ message: 'enough' })
  expect((await other).text).not.toBe('')
  expect(shared.pid).toBe(pid)
})

test('a process that is paused begins no window until it is resumed', async () => {
  await using engine = start()
  const progress: number[] = []
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  const outcome = engine.transcribe(LONG, {
    signal: never,
    onProgress: ({ phase, seconds }) => {
      if (phase === 'transcribing') progress.push(seconds)
      resolve()
    },
  })
  await begun
  await engine.pause()
  // It answers, so it does not compute; what it did so far is not all.
  await engine.ready(never)
  const paused = [...progress]
  await engine.ready(never)
  expect(progress).toEqual(paused)
  engine.resume()
  expect((await outcome).text).not.toBe('')
  expect(progress.length).toBeGreaterThan(paused.length)
})

test('is ready when it answers, without a model', async () => {
  await using engine = new EngineProcess({
    ...{ modelFolder: '', precision: 'f32', threads: 1, batch: 1 },
    ...{ temporaryFolder: folder, cacheFolder: folder },
  })
  await engine.ready(never)
  expect(isRunning(engine.pid)).toBe(true)
})

function isRunning(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0)
  } catch {
    return false
  }
}
