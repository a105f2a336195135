import { statSync } from 'node:fs'
import { absent } from './file-errors.ts'

/** Of a file; undefined where there is none. The system knows it in 3 µs; by way of the thread pool it takes 60, a tenth of a submit. */
export function fileBytes(path: string): number | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    return found?.isFile() === true ? found.size : undefined
  } catch (error) {
    return absent(error)
  }
}
