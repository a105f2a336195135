import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { own } from './postgres-binaries.ts'
import type { Identity } from './postgres-binaries.ts'

/**
 * Reads process ids, the last of which counts and an empty one none, until the pipe ends, be it that its other side was killed.
 * Then it stops that PostgreSQL and removes the folder. A server that was killed leaves its lock file, whose line 7 names a
 * segment of shared memory that nobody else would remove.
 */
const GUARD = `
  while read -r line; do pid=$line; done
  if [ -n "$pid" ] && kill -QUIT "$pid"; then
    kill -CONT "$pid"
    tries=0
    while kill -0 "$pid" && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
    kill -KILL "$pid"
  fi
  cd /
  if [ -f "$1/data/postmaster.pid" ]; then
    segment=$(sed -n '7s/.* //p' "$1/data/postmaster.pid")
    [ -z "$segment" ] || ipcrm -m "$segment"
  fi
  rm -rf "$1"
`

/**
 * A temporary folder with a PostgreSQL in it, neither of which outlives this process, however it ends: a shell in a session
 * of its own waits for that.
 */
export class GuardedFolder implements AsyncDisposable {
  readonly path: string
  readonly #guard: ChildProcess

  private constructor(path: string, guard: ChildProcess) {
    this.path = path
    this.#guard = guard
  }

  static async make(user: Identity): Promise<GuardedFolder> {
    const path = await mkdtemp(join(await parentFolder(user), 'sotto-postgres-'))
    await own(path, user)
    const guard = spawn('sh', ['-c', GUARD, 'guard', path], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      ...user,
    })
    guard.unref()
    return new GuardedFolder(path, guard)
  }

  /** @param pid of the PostgreSQL that runs now; undefined: none does */
  watch(pid: number | undefined): void {
    this.#guard.stdin?.write(`${pid ?? ''}\n`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#guard.exitCode !== null || this.#guard.signalCode !== null) return
    this.#guard.ref()
    const closed = once(this.#guard, 'close')
    this.#guard.stdin?.end()
    await closed
  }
}

/** The system's folder for temporary files, unless root has one that nobody else can enter. */
async function parentFolder(user: Identity): Promise<string> {
  if (user.uid === undefined) return tmpdir()
  for (let folder = tmpdir(); ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return '/tmp'
    if (folder === dirname(folder)) return tmpdir()
  }
}
