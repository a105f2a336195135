import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../test/support/clips.ts'
import { DEFAULT_PARAMETERS } from '../../../test/support/golden.ts'
import { mp4WithPackets } from '../../../test/support/hostile-mp4.ts'
import { PROJECT, temporaryFolder } from '../../../test/support/server.ts'
import { estimateMemory } from '../../models/whisper/planning/cpu-memory.ts'
import { dataLimit, fileLimit } from './cage.ts'
import type { CageOptions } from './cage.ts'
import { EngineProcess } from './engine-process.ts'

const DEMO = join(PROJECT, 'models/whisper-demo')
const ROOM_BYTES = 2 ** 30
const SLOTS = 9
const never = new AbortController().signal

async function cageOfDemo(): Promise<CageOptions> {
  const modelBytes = await estimateMemory(DEMO, { precision: 'f32', slots: SLOTS })
  return { dataBytes: dataLimit(modelBytes, ROOM_BYTES, 2), fileBytes: null, sandbox: null }
}

function engineIn(folder: string, cage: CageOptions, entry?: string): EngineProcess {
  return new EngineProcess(
    {
      ...{ modelFolder: DEMO, precision: 'f32', threads: 2, batch: SLOTS },
      ...{ temporaryFolder: folder, cacheFolder: folder },
    },
    { cage, ...(entry === undefined ? {} : { entry }) },
  )
}

const taskOf = (audioPath: string) => ({
  audioPath,
  parameters: { ...DEFAULT_PARAMETERS, language: 'en' },
  maxAudioSeconds: null,
})

test('an engine may write the log-mel of the longest recording that is allowed', () => {
  const week = 7 * 86_400
  // 3000 frames of 128 bands for each half a minute.
  expect(fileLimit(week)).toBeGreaterThanOrEqual((week / 30) * 3000 * 128 * Float32Array.BYTES_PER_ELEMENT)
  expect(fileLimit(null)).toBe(null)
})

describe.skipIf(process.platform !== 'linux')('the cage of an engine process', () => {
  test('bounds memory and files, allows no dump, and is the first to go when memory is short', async () => {
    await using folder = await temporaryFolder()
    await using engine = engineIn(folder.path, { dataBytes: 3 * 2 ** 30, fileBytes: fileLimit(3600), sandbox: null })
    await engine.ready(never)
    const limits = await readFile(`/proc/${engine.pid}/limits`, 'utf8')
    const limitOf = (name: string): number => Number(new RegExp(`^Max ${name} +\\d+ +(\\d+)`, 'm').exec(limits)?.[1])
    expect(limitOf('data size')).toBe(3 * 2 ** 30)
    expect(limitOf('core file size')).toBe(0)
    expect(limitOf('file size')).toBe(16 * 2 ** 30)
    expect(limitOf('open files')).toBeLessThanOrEqual(4096)
    expect(await readFile(`/proc/${engine.pid}/oom_score_adj`, 'utf8')).toBe('1000\n')
  })

  test('leaves room for all places of a model at the same time', async () => {
    await using folder = await temporaryFolder()
    await using engine = engineIn(folder.path, await cageOfDemo())
    const task = taskOf(fixture('en-short.wav'))
    const done = await Promise.all(Array.from({ length: SLOTS }, () => engine.transcribe(task, { signal: never })))
    expect(new Set(done.map(({ text }) => text)).size).toBe(1)
  })

  test('refuses memory to a header that announces millions of packets; others go on', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'hostile.mp4')
    await writeFile(path, mp4WithPackets(85_000_000))
    await using engine = engineIn(folder.path, await cageOfDemo())
    await engine.ready(never)
    const { pid } = engine
    const outcome = engine.transcribe(taskOf(path), { signal: never })
    const other = engine.transcribe(taskOf(fixture('en-short.wav')), { signal: never })
    await expect(outcome).rejects.toMatchObject({ code: expect.stringMatching(/^audio\.|^engine\.failed$/) })
    expect((await other).text).not.toBe('')
    expect(engine.pid).toBe(pid)
    // Without the limit it takes 3.1 GB.
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    expect(Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1])).toBeLessThan(2 ** 20)
  })

  test('refuses a recording whose features take a larger file than it may write', async () => {
    await using folder = await temporaryFolder()
    await using engine = engineIn(folder.path, { dataBytes: null, fileBytes: 2 ** 19, sandbox: null })
    const outcome = engine.transcribe(taskOf(fixture('en-one-minute.m4a')), { signal: never })
    await expect(outcome).rejects.toMatchObject({ code: 'engine.spool_full' })
  })

  test('ends a process that takes all that it can get, and the next task starts another one', async () => {
    await using folder = await temporaryFolder()
    const entry = join(PROJECT, 'test/support/greedy-engine.child.ts')
    await using engine = engineIn(folder.path, { dataBytes: 2 * 2 ** 30, fileBytes: null, sandbox: null }, entry)
    for (const _ of [1, 2]) {
      const outcome = engine.transcribe(taskOf('anything'), { signal: never })
      await expect(outcome).rejects.toMatchObject({ code: 'engine.crashed', retryable: true })
    }
  })
})
