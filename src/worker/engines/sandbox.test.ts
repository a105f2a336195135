import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { fixture } from '../../../test/support/clips.ts'
import { DEFAULT_PARAMETERS } from '../../../test/support/golden.ts'
import { PROJECT, temporaryFolder } from '../../../test/support/server.ts'
import { EngineProcess } from './engine-process.ts'
import { moduleFolders } from './module-folders.ts'
import { findSandbox } from './sandbox.ts'
import type { Sandbox } from './sandbox.ts'

const never = new AbortController().signal
const logger = pino({ level: 'silent' })
const NOTHING = { readable: [], writable: [] }
/** Needs nothing: where bubblewrap works and what an engine loads is not found in it, tests fail, and are not skipped. */
const entry = join(PROJECT, 'src/worker/errors.ts')
const isThere = (await findSandbox('auto', NOTHING, { logger, signal: never, entry })) !== null
const why = isThere ? '' : ' (skipped: bubblewrap is not there, or may not do it here)'

/** What a script prints as JSON that runs in it. */
async function within({ command: [program = '', ...args] }: Sandbox, script: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(program, [...args, process.execPath, '--eval', script])
  return JSON.parse(stdout)
}

test('without bubblewrap engines run as they are, unless it has to be there', async () => {
  const path = process.env['PATH']
  process.env['PATH'] = '/nowhere'
  try {
    expect(await findSandbox('auto', NOTHING, { logger, signal: never })).toBeNull()
    await expect(findSandbox('on', NOTHING, { logger, signal: never })).rejects.toMatchObject({
      code: 'sandbox.unavailable',
      message: expect.stringContaining('SOTTO_SANDBOX'),
    })
  } finally {
    process.env['PATH'] = path
  }
})

test('it can be turned off', async () => {
  expect(await findSandbox('off', NOTHING, { logger, signal: never })).toBeNull()
})

test('modules are looked for where links of pnpm lead: beside the package, and in its global store', async () => {
  await using folder = await temporaryFolder()
  const link = async (from: string, to: string): Promise<void> => {
    for (const path of [join(folder.path, to), dirname(join(folder.path, from))]) await mkdir(path, { recursive: true })
    await symlink(join(folder.path, to), join(folder.path, from))
  }
  const own = 'project/node_modules/.pnpm'
  await mkdir(join(folder.path, own, 'sotto@1/node_modules/sotto'), { recursive: true })
  await link(`${own}/sotto@1/node_modules/near`, `${own}/near@1/node_modules/near`)
  expect(moduleFolders(join(folder.path, own, 'sotto@1/node_modules/sotto'))).toEqual([
    join(folder.path, own, 'sotto@1/node_modules/sotto/node_modules'),
    join(folder.path, 'project/node_modules'),
  ])

  await mkdir(join(folder.path, 'store/sotto/node_modules/sotto'), { recursive: true })
  await link('store/sotto/node_modules/@of/near', 'store/near/node_modules/@of/near')
  await link('store/near/node_modules/far', 'store/far/node_modules/far')
  await symlink('nowhere', join(folder.path, 'store/far/node_modules/gone'))
  expect(moduleFolders(join(folder.path, 'store/sotto/node_modules/sotto')).slice(1)).toEqual(
    ['sotto', 'near', 'far'].map((name) => join(folder.path, 'store', name, 'node_modules')),
  )
})

describe.skipIf(!isThere)(`the sandbox${why}`, () => {
  test('is not used where a module of the engine can’t be found in it, and the reason is told', async () => {
    await using folder = await temporaryFolder()
    const missing = join(folder.path, 'missing.mjs')
    await writeFile(missing, "await import('not-shown')")
    const folders = { readable: [folder.path], writable: [] }
    const told: string[] = []
    const lines = pino({}, { write: (line) => void told.push(line) })
    expect(await findSandbox('auto', folders, { logger: lines, signal: never, entry: missing })).toBeNull()
    expect(told.join('')).toMatch(/without a sandbox: .*Cannot find package 'not-shown'/)
    await expect(findSandbox('on', folders, { logger, signal: never, entry: missing })).rejects.toMatchObject({
      code: 'sandbox.unavailable',
      message: expect.stringContaining("Cannot find package 'not-shown'"),
    })
  })

  test('shows the folders that it is given, also behind links, and none beside them', async () => {
    await using folder = await temporaryFolder()
    const at = (name: string): string => join(folder.path, name)
    for (const name of ['payloads', 'work', 'elsewhere']) await mkdir(at(name))
    await writeFile(at('payloads/recording'), 'sound')
    await writeFile(at('signing-secret'), 'secret')
    await symlink(at('payloads'), at('link'))
    const folders = { readable: [at('link')], writable: [at('work')] }
    const sandbox = await findSandbox('on', folders, { logger, signal: never })
    const script = `
      const { readFileSync, writeFileSync } = require('node:fs')
      const attempt = (action) => { try { return String(action()) } catch (error) { return error.code } }
      const at = (name) => ${JSON.stringify(folder.path)} + '/' + name
      console.log(JSON.stringify([
        attempt(() => readFileSync(at('link/recording'))),
        attempt(() => writeFileSync(at('link/recording'), 'other')),
        attempt(() => readFileSync(at('signing-secret'))),
        attempt(() => writeFileSync(at('work/spool'), 'written')),
        attempt(() => readFileSync('/etc/passwd')),
        attempt(() => writeFileSync('/usr/written', '')),
      ]))`
    expect(await within(sandbox ?? { command: [] }, script)).toEqual([
      ...['sound', 'EROFS', 'ENOENT', 'undefined', 'ENOENT', 'EROFS'],
    ])
    expect(await readFile(at('work/spool'), 'utf8')).toBe('written')
  })

  test('has no network and sees no other process', async () => {
    await using stack = new AsyncDisposableStack()
    const server = stack.adopt(createServer(), (it) => void it.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const sandbox = await findSandbox('on', NOTHING, { logger, signal: never })
    const script = `
      const socket = require('node:net').connect(${port}, '127.0.0.1')
      const say = (outcome) => {
        const processes = require('node:fs').readdirSync('/proc').filter((name) => /^\\d+$/.test(name))
        console.log(JSON.stringify([outcome, processes]))
        socket.destroy()
      }
      socket.on('connect', () => say('connected')).on('error', ({ code }) => say(code))`
    expect(await within(sandbox ?? { command: [] }, script)).toEqual(['ECONNREFUSED', ['1']])
  })

  test('an engine finds weights that lie behind links elsewhere', async () => {
    await using folder = await temporaryFolder()
    const at = (name: string): string => join(folder.path, name)
    for (const name of ['hub', 'work', 'disk/model', 'disk/blobs']) await mkdir(at(name), { recursive: true })
    const demo = join(PROJECT, 'models/whisper-demo')
    for (const [index, name] of (await readdir(demo)).entries()) {
      await copyFile(join(demo, name), at(`disk/blobs/${index}`))
      await symlink(join('../blobs', String(index)), at(`disk/model/${name}`))
    }
    await symlink(at('disk/model'), at('hub/model'))
    const folders = { readable: [at('hub'), join(PROJECT, 'test')], writable: [at('work')] }
    const sandbox = await findSandbox('on', folders, { logger, signal: never })
    await using engine = new EngineProcess(
      {
        ...{ modelFolder: at('hub/model'), precision: 'f32', threads: 1, batch: 1 },
        ...{ temporaryFolder: at('work'), cacheFolder: at('work') },
      },
      { cage: { dataBytes: null, fileBytes: null, sandbox } },
    )
    const parameters = { ...DEFAULT_PARAMETERS, language: 'en' }
    const task = { audioPath: fixture('en-short.wav'), parameters, maxAudioSeconds: null }
    expect((await engine.transcribe(task, { signal: never })).text).not.toBe('')
  })

  test('an engine transcribes in it, dies by its signal, and is gone when it is disposed of', async () => {
    await using folder = await temporaryFolder()
    const folders = { readable: [join(PROJECT, 'test')], writable: [folder.path] }
    const sandbox = await findSandbox('on', folders, { logger, signal: never })
    await using engine = new EngineProcess(
      {
        ...{ modelFolder: join(PROJECT, 'models/whisper-demo'), precision: 'q8', threads: 1, batch: 1 },
        ...{ temporaryFolder: folder.path, cacheFolder: folder.path },
      },
      { cage: { dataBytes: 4 * 2 ** 30, fileBytes: 2 ** 30, sandbox } },
    )
    const task = {
      audioPath: fixture('en-short.wav'),
      parameters: { ...DEFAULT_PARAMETERS, language: 'en' },
      maxAudioSeconds: null,
    }
    expect((await engine.transcribe(task, { signal: never })).text).not.toBe('')
    expect((await readdir(folder.path)).some((name) => name.endsWith('.safetensors'))).toBe(true)

    // The signal takes a moment to reach what is inside: a recording that takes longer.
    const long = { ...task, audioPath: fixture('en-one-minute.m4a') }
    const running = engine.transcribe(long, { signal: never })
    process.kill(engine.pid ?? 0, 'SIGKILL')
    await expect(running).rejects.toMatchObject({ code: 'engine.crashed', message: expect.stringContaining('SIGKILL') })
    // At the very moment in which the sandbox is made, nothing is left behind either.
    await engine[Symbol.asyncDispose]()
    const beginning = engine.ready(never).catch((error: unknown) => error)
    await engine[Symbol.asyncDispose]()
    expect(await beginning).toMatchObject({ code: 'engine.crashed' })
    await engine.ready(never)
    const inside = Number(await readFile(`/proc/${engine.pid}/task/${engine.pid}/children`, 'utf8'))
    expect(inside).toBeGreaterThan(0)
    await engine[Symbol.asyncDispose]()
    expect(existsSync(`/proc/${inside}`)).toBe(false)
  })
})
