import { join } from 'node:path'
import { JobStoreError } from '../errors.ts'
import { isBusy, openPrivateFile, translated } from './node-sqlite.ts'

/**
 * Makes this process the only server on a data folder, until it is disposed or dies: an exclusive transaction on a SQLite
 * file of its own is a lock that the operating system drops with the process, however it ends, and that child processes do
 * not inherit. A file with a process id would outlive a kill -9 and name some other process after a reboot.
 *
 * @throws JobStoreError `store.in_use` when another server owns the folder
 */
export async function lockOwner(folder: string): Promise<AsyncDisposable> {
  return translated(() => {
    const connection = openPrivateFile(join(folder, 'lock.db'), { timeout: 0 })
    try {
      connection.exec('begin exclusive')
    } catch (error) {
      connection.close()
      throw isBusy(error) ? inUse(folder, error) : error
    }
    return { [Symbol.asyncDispose]: async () => connection.close() }
  })
}

function inUse(folder: string, cause: unknown): JobStoreError {
  return new JobStoreError(
    'store.in_use',
    `Another server is running on the data folder ${folder}. Stop it first, or give this one a folder of its own with ` +
      '--data-dir or SOTTO_DATA_DIR.',
    { cause },
  )
}
