import { access, constants, mkdir } from 'node:fs/promises'
import { ConfigError } from './config/config-error.ts'
import type { Setting } from './config/setting.ts'

/**
 * Makes a setting's folder where it is not there.
 * @throws ConfigError naming the setting, the folder and the reason, where files can't be made in it
 */
export async function requireWritable(folder: string, { variable }: Setting): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`${variable} takes a folder that can be written; got ${JSON.stringify(folder)} (${reason})`, {
      cause,
    })
  }
}
