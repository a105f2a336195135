import { execFile } from 'node:child_process'
import { copyFile, cp, glob, link, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { deployed } from '../support/deployment.ts'
import { PROJECT, temporaryFolder } from '../support/server.ts'

const run = promisify(execFile)
const TESTS = /\.(?:test|child|contract|fixture)\.ts$/

interface LockedPackage {
  readonly dev?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Those that `npm ci --omit=dev` installs, and the project itself, whose path is empty. */
async function lockedPackages(): Promise<readonly (readonly [path: string, LockedPackage])[]> {
  const lock = JSON.parse(await readFile(join(PROJECT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>
  }
  return Object.entries(lock.packages).filter(([, { dev }]) => dev !== true)
}

/** The program and its packages; files are links, since they are hundreds of megabytes. */
async function linkProduction(folder: string): Promise<void> {
  for (const part of ['bin', 'src', 'models', 'package.json', 'deploy/prune.sh']) {
    await cp(join(PROJECT, part), join(folder, part), { recursive: true })
  }
  const paths = (await lockedPackages()).map(([path]) => path).filter((path) => path !== '')
  for (const path of paths) await linkPackage(join(PROJECT, path), join(folder, path))
}

/** Without the packages within, which have entries of their own. One for another platform is not there. */
async function linkPackage(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch(() => [])
  if (entries.length > 0) await mkdir(to, { recursive: true })
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isFile()) await link(source, target).catch(() => copyFile(source, target))
    else if (entry.isDirectory() && entry.name !== 'node_modules') await linkPackage(source, target)
  }
}

describe.skipIf(process.platform === 'win32')('deploy/prune.sh', () => {
  test('takes out nothing that the program misses', async () => {
    await using folder = await temporaryFolder()
    const cwd = folder.path
    const options = { cwd, env: { PATH: `${dirname(process.execPath)}:${process.env['PATH']}`, SOTTO_SANDBOX: 'off' } }
    await linkProduction(cwd)
    await run('sh', ['deploy/prune.sh'], options)
    const libraries = join(cwd, 'node_modules/onnxruntime-node/bin/napi-v6')
    expect(await Array.fromAsync(glob('*/*', { cwd: libraries }))).toEqual([`${process.platform}/${process.arch}`])
    expect(await Array.fromAsync(glob('node_modules/{werift,**/*.d.ts,**/*.map}', { cwd }))).toEqual([])

    const sources = await Array.fromAsync(glob('src/*/**/*.ts', { cwd }))
    const imports = sources.filter((name) => !TESTS.test(name)).map((name) => `await import('./${name}')`)
    expect(imports.length).toBeGreaterThan(100)
    await run(process.execPath, ['--input-type=module', '--eval', [...imports, 'process.exit()'].join('\n')], options)

    const recording = join(PROJECT, 'test/fixtures/audio/de-long.m4a')
    const transcribe = ['bin/sotto.js', 'transcribe', '--model', 'sotto/whisper-demo', recording]
    const { stdout } = await run(process.execPath, transcribe, options)
    expect(stdout.length).toBeGreaterThan(100)
  })

  test('leaves alone what development needs', async () => {
    await using folder = await temporaryFolder()
    const types = join(folder.path, 'node_modules/typescript/lib.d.ts')
    await mkdir(dirname(types), { recursive: true })
    await writeFile(types, '')
    await cp(join(PROJECT, 'deploy/prune.sh'), join(folder.path, 'deploy/prune.sh'))
    await expect(run('sh', ['deploy/prune.sh'], { cwd: folder.path })).rejects.toMatchObject({
      stderr: expect.stringMatching(/npm ci --omit=dev first/),
    })
    expect(await readFile(types, 'utf8')).toBe('')
  })

  test('takes out whole packages only of WebRTC, which nothing else asks for', async () => {
    const names = /^rm -rf (werift .*)$/m.exec(await deployed('prune.sh'))?.[1]?.split(' ') ?? []
    const patterns = names.map((name) => new RegExp(`^${name.replace('*', '[^/]*')}(?:/|$)`))
    const isTakenOut = (name: string): boolean => patterns.some((pattern) => pattern.test(name))
    const asked = (await lockedPackages()).flatMap(([path, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => isTakenOut(name) && !isTakenOut(path.slice('node_modules/'.length)))
        .map((name) => `${path} → ${name}`),
    )
    expect(asked).toEqual(['node_modules/node-av → werift'])
  })
})
