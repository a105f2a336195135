import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { extname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { isErrorCode } from '../../contract/error-codes.ts'
import { CPU } from '../../contract/device.ts'
import type { Device, DeviceChoice, DeviceReport } from '../../contract/device.ts'
import { harmlessEnvironment } from '../../confinement/environment.ts'
import { EngineProcessError } from '../errors.ts'

/** Compiling the first shaders takes a software renderer half a minute. */
const LIMIT_MS = 120_000

const MAIN = fileURLToPath(new URL(`../../main${extname(import.meta.url)}`, import.meta.url))

/**
 * Finds out in a process of its own which device there is, since a driver may crash or hang. Where nothing but a probe could tell,
 * `auto` takes half a second; on Linux a GPU has a device file, so that machines without one are not asked.
 * @throws EngineProcessError `device.unavailable` when a device that is asked for by its name does not answer
 */
export async function findDevice(choice: DeviceChoice, signal?: AbortSignal): Promise<Device> {
  if (choice === 'cpu' || (choice === 'auto' && !(await mayHaveDevice()))) return CPU
  const report = await probe(choice, signal)
  if ('device' in report) return report.device
  if (choice === 'auto') return CPU
  const { code, message } = report.error
  const known = isErrorCode(code) ? code : 'device.unavailable'
  throw new EngineProcessError(known, `SOTTO_DEVICE is ${choice}. ${message} With auto or cpu it runs without.`)
}

async function mayHaveDevice(): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const names = [...(await namesIn('/dev')), ...(await namesIn('/dev/dri'))]
  return names.some((name) => /^(renderD\d+|nvidia\d+|dxg|kfd)$/.test(name))
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => [])
}

async function probe(choice: DeviceChoice, signal?: AbortSignal): Promise<DeviceReport> {
  const { promise, resolve, reject } = Promise.withResolvers<DeviceReport>()
  const limits = { timeout: LIMIT_MS, killSignal: 'SIGKILL', ...(signal === undefined ? {} : { signal }) } as const
  // Drivers get no secrets.
  const options = { ...limits, env: harmlessEnvironment() }
  execFile(process.execPath, [MAIN, 'device', '--device', choice, '--json'], options, (error, stdout) => {
    if (signal?.aborted === true) {
      reject(signal.reason)
      return
    }
    try {
      resolve(JSON.parse(stdout) as DeviceReport)
    } catch {
      const how = error?.signal ?? `exit code ${String(error?.code)}`
      const message = `Its driver ended the process that tried it, with ${how}.`
      resolve({ error: { code: 'device.unavailable', message } })
    }
  })
  return await promise
}
