import { execFileSync } from 'node:child_process'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { temporaryFolder } from '../support/server.ts'
import { ChaosClient } from './clients.ts'
import { CLIPS, settled, temporaryFilesIn, undisturbedTexts } from './cluster-chaos.ts'
import { disturb, randomOf } from './disturbance.ts'
import type { Disturbance } from './disturbance.ts'
import type { ChaosOptions, ChaosReport } from './report.ts'
import { Supervised } from './supervised.ts'
import { judge, unexpectedErrors } from './verdict.ts'

const KEY = 'a-key-that-every-start-is-given'
const SETTLE_MS = 240_000
const DISK_MB = 64

/** One server with everything embedded, on a disk that fills up now and then. */
export async function embeddedChaos({ seconds, clients, seed, pauseMs }: ChaosOptions): Promise<ChaosReport> {
  const random = randomOf(seed)
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await temporaryFolder())
  const dataDir = join(path, 'data')
  await mkdir(dataDir)
  const isSmall = mountSmall(dataDir, stack)
  const server = stack.use(await Supervised.start({ dataDir, environment: { SOTTO_API_KEY: KEY } }))
  const baseUrl = (): string | undefined => server.server?.url
  const newClient = (): ChaosClient => new ChaosClient({ baseUrl, key: KEY, clips: CLIPS, random })
  const watcher = newClient()
  const texts = await undisturbedTexts(newClient())

  const fillDisk = async (): Promise<void> => {
    const filler = join(dataDir, 'filler')
    const megabyte = Buffer.alloc(2 ** 20)
    for (let n = 0; n < DISK_MB; n++) {
      try {
        await writeFile(filler, megabyte, { flag: 'a' })
      } catch {
        break
      }
    }
    await delay(200 + 1500 * random())
    await rm(filler)
  }
  const disturbances: readonly Disturbance[] = [
    { name: 'kill -9 of the server', weight: 3, run: () => server.restart('SIGKILL') },
    { name: 'SIGTERM of the server', weight: 1, run: () => server.restart('SIGTERM') },
    { name: 'kill -9 of an engine process', weight: 2, run: async () => void (await server.killEngine()) },
    ...(isSmall ? [{ name: 'a full disk', weight: 2, run: fillDisk }] : []),
  ]

  const stop = AbortSignal.timeout(seconds * 1000)
  const users = Array.from({ length: clients }, newClient)
  const [counts] = await Promise.all([
    disturb(disturbances, { pauseMs, random, signal: stop }),
    ...users.map((user) => user.run(stop)),
  ])
  const jobs = users.flatMap((user) => user.jobs)
  const verdict = await judge(watcher, jobs, texts, SETTLE_MS)
  for (const { id } of jobs) await watcher.remove(id)
  const objects = async (): Promise<readonly string[]> => {
    const names = await readdir(join(dataDir, 'payloads/objects'), { recursive: true, withFileTypes: true })
    return names.filter((entry) => entry.isFile()).map(({ name }) => name)
  }
  const leftOver = await settled(objects)
  await server.end()
  return {
    setup: isSmall ? 'embedded, on a small disk' : 'embedded (no small disk could be mounted, so none was full)',
    ...{ seed, seconds, ...verdict },
    disturbances: Object.fromEntries(counts),
    leftOver: [...leftOver, ...(await temporaryFilesIn([dataDir]))],
    unexpectedErrors: unexpectedErrors(server.output),
  }
}

/** Whoever may not mount has no small disk. */
function mountSmall(folder: string, stack: AsyncDisposableStack): boolean {
  if (process.platform !== 'linux') return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return false
  }
  stack.defer(() => void execFileSync('umount', ['-l', folder], { stdio: 'ignore' }))
  return true
}
