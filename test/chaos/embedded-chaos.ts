import { execFileSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { randomOf } from '../support/random.ts'
import { temporaryFolder } from '../support/server.ts'
import { Campaign } from './campaign.ts'
import { JumpingClock } from './clock.ts'
import { clockEnvironment } from './shifted-clock.ts'
import { objectsIn, settled, temporaryFilesIn } from './left-over.ts'
import { countsOf } from './disturbance.ts'
import type { Disturbance } from './disturbance.ts'
import type { ChaosOptions, ChaosReport } from './report.ts'
import { Supervised } from './supervised.ts'
import { unexpectedErrors } from './log-faults.ts'
import { WebhookReceiver } from './webhook-receiver.ts'

const KEY = 'a-key-that-every-start-is-given'
const DISK_MB = 64

/** One server with everything embedded, on a disk that fills up now and then. */
export async function embeddedChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seconds, seed } = options
  const random = randomOf(seed)
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(await temporaryFolder())
  const dataDir = join(path, 'data')
  await mkdir(dataDir)
  const isSmall = mountSmall(dataDir, stack)
  const clockFile = join(path, 'clock')
  const clock = new JumpingClock(clockFile)
  const receiver = stack.use(await WebhookReceiver.start(random))
  const environment = { SOTTO_API_KEY: KEY, SOTTO_FETCH_ALLOW: '127.0.0.1', ...clockEnvironment(clockFile) }
  const server = stack.use(await Supervised.start({ dataDir, environment }))
  const baseUrl = (): string | undefined => server.server?.url

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
    { name: 'a clock that jumps', weight: 2, run: async () => clock.jump(random) },
    ...(isSmall ? [{ name: 'a full disk', weight: 2, run: fillDisk }] : []),
  ]

  const campaign = await Campaign.start({ baseUrl, key: KEY, random, receiver })
  const { verdict, occurrences } = await campaign.run(disturbances, options, () => clock.settle())
  await campaign.clear()
  const leftOver = await settled(async () => (await objectsIn(dataDir)).filter((name) => !campaign.isGivenUp(name)))
  await server.end()
  return {
    setup: isSmall ? 'embedded, on a small disk' : 'embedded (no small disk could be mounted, so none was full)',
    ...{ seed, seconds, ...verdict },
    disturbances: countsOf(occurrences),
    leftOver: [...leftOver, ...(await temporaryFilesIn([dataDir]))],
    unexpectedErrors: unexpectedErrors(server.log, occurrences),
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
