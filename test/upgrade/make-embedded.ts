import { execFileSync } from 'node:child_process'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { clockEnvironment } from '../chaos/shifted-clock.ts'
import { Server, sotto, temporaryFolder } from '../support/server.ts'
import { patch } from '../support/tus.ts'
import { untilWindows } from '../support/window-log.ts'
import { dumpSqlite } from './dump.ts'
import { readTree } from './fixture.ts'
import type { UpgradeFixture } from './fixture.ts'
import { CLIPS, IDEMPOTENCY_KEY, LONG, MANY_WINDOWS, SHORT, Visitor, pathOf } from './visitor.ts'

/** Far ahead, since the signatures of URLs end a week behind it. */
const START_SECONDS = Date.UTC(2100, 0, 1) / 1000
/** So much later is what waits for its next try made, and the last server stopped shortly before it is due. */
const LATER_SECONDS = 3600
const PARTIAL_BYTES = 30_000

/** A server with everything embedded, seen by one client after the other, and killed at last. */
export class EmbeddedMaker {
  readonly #dataDir: string
  readonly #clockFile: string
  readonly #jobs: UpgradeFixture['jobs'] = {}
  readonly #keys: Record<string, string> = {}

  private constructor(folder: string) {
    this.#dataDir = join(folder, 'data')
    this.#clockFile = join(folder, 'clock')
  }

  static async make(): Promise<{ readonly fixture: UpgradeFixture; readonly sql: string }> {
    await using folder = await temporaryFolder()
    const maker = new EmbeddedMaker(folder.path)
    await mkdir(maker.#dataDir)
    await maker.#breakOff()
    const uploads = { ...(await maker.#finish()), ...(await maker.#leaveRunning()) }
    return await maker.#read(uploads)
  }

  /** Jobs that wait for their next try: one whose engine crashed, and one that found no room on the disk. */
  async #breakOff(): Promise<void> {
    await this.#setClock(START_SECONDS + LATER_SECONDS)
    const small = join(this.#dataDir, 'tmp')
    await mkdir(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
    try {
      const server = await this.#start()
      await using _ = server
      const key = server.newKey ?? ''
      this.#keys['first'] = key
      const visitor = new Visitor(server.url, key, this.#jobs)
      // First, since it is to wait longer.
      const deferred = await visitor.submit('deferred', { url: await visitor.upload(LONG) })
      await visitor.untilWaitingFor(deferred, 'engine.disk_full')
      const crashed = await visitor.submit('crashed', { url: await visitor.upload(SHORT) })
      while ((await server.engines()).length === 0) await delay(5)
      process.kill(await server.engine(), 'SIGKILL')
      await visitor.untilWaitingFor(crashed, 'engine.crashed')
      await server.end('SIGKILL')
    } finally {
      execFileSync('umount', [small])
    }
  }

  /** An hour before, so that those above are left alone. */
  async #finish(): Promise<UpgradeFixture['uploads']> {
    await this.#setClock(START_SECONDS)
    const { stdout } = await sotto(['keys', 'create', 'second', '--data-dir', this.#dataDir], {
      cwd: this.#dataDir,
      environment: clockEnvironment(this.#clockFile),
    })
    this.#keys['second'] = stdout.trim()
    const server = await this.#start()
    await using _ = server
    const visitor = new Visitor(server.url, this.#key('first'), this.#jobs)
    const short = await visitor.upload(SHORT)
    await visitor.finish('success', { url: short, idempotencyKey: IDEMPOTENCY_KEY })
    await visitor.finish('long', { url: await visitor.upload(LONG) })
    await visitor.finish('undisturbed', { url: await visitor.upload(LONG), input: MANY_WINDOWS })
    await visitor.finish('failed', { url: await visitor.upload(Buffer.from('not a recording')) })
    const expiresAt = new Date((this.#dueSeconds() - 2) * 1000).toISOString()
    await visitor.finish('expiring', { url: await visitor.upload(SHORT), options: { expiresAt } })

    const gone = await visitor.finish('removed', { url: await visitor.upload(SHORT) })
    await visitor.remove(gone)
    while (!this.#has(`select 1 from garbage where removed_at is not null`)) await delay(20)
    const url = await visitor.upload(SHORT)
    const stuck = await visitor.finish('stuck', { url })
    const file = join(this.#dataDir, 'payloads/objects/uploads', new URL(url).pathname.replace(/.*\//, ''))
    await rename(file, `${file}.kept`)
    await mkdir(file)
    await visitor.remove(stuck)
    while (!this.#has(`select 1 from garbage where failures > 0`)) await delay(20)
    await server.end('SIGKILL')
    await rm(file, { recursive: true })
    await rename(`${file}.kept`, file)
    // A part of what was asked for with the idempotency key, so with its origin.
    return { sentTwice: short }
  }

  /** Each key has one job that runs, and others wait for it. */
  async #leaveRunning(): Promise<UpgradeFixture['uploads']> {
    await this.#setClock(this.#dueSeconds() - 15)
    const server = await this.#start({ SOTTO_MAX_RUNNING_JOBS: '1' })
    await using _ = server
    const visitor = new Visitor(server.url, this.#key('first'), this.#jobs)
    const other = new Visitor(server.url, this.#key('second'), this.#jobs)
    const long = await visitor.upload(LONG)
    const short = await visitor.upload(SHORT)
    const running = await visitor.submit('running', { url: long, input: MANY_WINDOWS })
    const cancelling = await other.submit('cancelling', { url: await other.upload(LONG), input: MANY_WINDOWS })
    for (const id of [running, cancelling]) await untilWindows(server, id, 1)
    await visitor.submit('express', { url: short })
    await visitor.submit('ordinary', { url: long, options: { priority: 'low', timeout: 3600 } })
    await visitor.cancel(await visitor.submit('cancelled', { url: short }))
    const urgent = fetch(`${server.url}/v1/ent/tiyarofs/1/sotto/whisper-demo`, {
      method: 'POST',
      headers: visitor.client.authorization,
      body: Buffer.from('a client that waits'),
    }).catch(() => undefined)
    while (!this.#has("select 1 from jobs where status = 'pending' and urgent = 1")) await delay(5)
    const partial = await visitor.client.uploadUrl('ogg')
    const recording = await readFile(join(import.meta.dirname, '../fixtures/audio', SHORT))
    await patch(partial, 0, recording.subarray(0, PARTIAL_BYTES), recording.length)
    const uploads = {
      handedOut: pathOf(await visitor.client.uploadUrl('ogg')),
      whole: pathOf(await visitor.upload(SHORT)),
      partial: pathOf(partial),
    }
    for (const id of [running, cancelling]) await untilWindows(server, id, 4)
    await server.end('SIGKILL')
    await urgent
    return uploads
  }

  async #read(uploads: UpgradeFixture['uploads']): Promise<{ readonly fixture: UpgradeFixture; readonly sql: string }> {
    const path = join(this.#dataDir, 'sotto.db')
    {
      using database = new DatabaseSync(path)
      // All that a cancellation writes: the server acts on it within a millisecond, in which nobody can kill it.
      database
        .prepare('update jobs set cancel_requested_at = (select max(started_at) from jobs) where id = ?')
        .run(this.#jobs['cancelling']?.id ?? '')
      database.exec('pragma wal_checkpoint(truncate)')
    }
    const fixture: UpgradeFixture = {
      madeAt: this.#now(),
      keys: this.#keys,
      signingSecret: await readFile(join(this.#dataDir, 'signing-secret'), 'base64'),
      jobs: this.#jobs,
      uploads,
      payloads: await readTree(join(this.#dataDir, 'payloads'), CLIPS),
      parts: {},
    }
    return { fixture, sql: dumpSqlite(path) }
  }

  async #start(environment: Readonly<Record<string, string>> = {}): Promise<Server> {
    return await Server.start({
      dataDir: this.#dataDir,
      environment: {
        SOTTO_LOG_LEVEL: 'debug',
        SOTTO_PRECISION: 'f32',
        SOTTO_UPLOAD_URL_TTL: String(7 * 86_400),
        SOTTO_POLL_URL_TTL: String(366 * 86_400),
        // So that what is submitted is counted.
        SOTTO_MAX_AUDIO_SECONDS_PER_DAY: '100000',
        ...environment,
        ...clockEnvironment(this.#clockFile),
      },
    })
  }

  #key(name: string): string {
    return this.#keys[name] ?? ''
  }

  #offsetMs = 0

  /** Of servers that start from now on; it goes on from there. */
  async #setClock(seconds: number): Promise<void> {
    this.#offsetMs = Math.round(seconds * 1000 - Date.now())
    await writeFile(this.#clockFile, String(this.#offsetMs))
  }

  #now(): number {
    return (Date.now() + this.#offsetMs) / 1000
  }

  #has(query: string): boolean {
    using database = new DatabaseSync(join(this.#dataDir, 'sotto.db'), { readOnly: true })
    return database.prepare(query).get() !== undefined
  }

  /** When the first of those that broke off may be tried again. */
  #dueSeconds(): number {
    using database = new DatabaseSync(join(this.#dataDir, 'sotto.db'), { readOnly: true })
    const [first, second] = database.prepare('select not_before as due from jobs where not_before > 0 order by 1').all()
    if (typeof first?.['due'] !== 'number' || typeof second?.['due'] !== 'number') throw new Error('make it again')
    return first['due']
  }
}
