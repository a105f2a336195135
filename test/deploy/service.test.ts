import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { configOf, deployed, isCommand } from '../support/deployment.ts'
import { PROJECT, temporaryFolder } from '../support/server.ts'

const run = promisify(execFile)
const SYSTEMD = '/usr/bin/systemd-analyze'

test('the unit starts a command that there is, with settings that it takes', async () => {
  const unit = await deployed('sotto.service')
  const variables = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, given = '']) => given.split(' '))
  const { server, hub } = configOf(Object.fromEntries(variables.map((pair) => pair.split('=', 2) as [string, string])))
  expect({ dataDir: server.dataDir, home: hub.home }).toEqual({
    dataDir: '/var/lib/sotto',
    home: '/var/cache/sotto/huggingface',
  })
  const [, program, command = ''] = /^ExecStart=\S+\/node \/opt\/sotto\/(\S+) (\w+)$/m.exec(unit) ?? []
  expect(program).toBe('bin/sotto.js')
  expect(await isCommand([command])).toBe(true)
})

test('the unit is bounded, leaves no dumps of memory, and goes on when an engine is ended for taking too much', async () => {
  const unit = await deployed('sotto.service')
  const valueOf = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1]
  expect(valueOf('MemoryMax')).toMatch(/^\d\d%$/)
  expect(Number(valueOf('TasksMax'))).toBeGreaterThan(0)
  expect({ OOMPolicy: valueOf('OOMPolicy'), LimitCORE: valueOf('LimitCORE') }).toEqual({
    OOMPolicy: 'continue',
    LimitCORE: '0',
  })
})

test.skipIf(!existsSync(SYSTEMD))('systemd understands the unit (skipped without systemd)', async () => {
  await using folder = await temporaryFolder()
  const unit = join(folder.path, 'sotto.service')
  await writeFile(
    unit,
    (await deployed('sotto.service')).replaceAll('/opt/sotto/node_modules/.bin/node', process.execPath),
  )
  const { stdout, stderr } = await run(SYSTEMD, ['verify', '--man=no', unit])
  expect(stdout + stderr).not.toContain('sotto.service')
})

test('nothing of it reports its use to others', async () => {
  for (const file of ['Dockerfile', 'sotto.service']) expect(await deployed(file)).toContain('ORT_DISABLE_TELEMETRY=1')
})

test('the documentation names the commands that there are', async () => {
  const page = await readFile(join(PROJECT, 'docs/deployment.md'), 'utf8')
  const commands = new Set(
    [...page.matchAll(/(?:bin\/sotto\.js|npx sotto) ([a-z]+(?: (?:create|list|pull|revoke))?)/g)].map(
      ([, name = '']) => name,
    ),
  )
  expect(commands.size).toBeGreaterThan(1)
  for (const command of commands) expect([command, await isCommand(command.split(' '))]).toEqual([command, true])
})
