import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PROJECT } from './server.ts'

/** The full set of recordings with references lies beside a development checkout; a few of them come with it. */
const FULL_SET = resolve(PROJECT, '../shared/audio')
const FIXTURES = join(PROJECT, 'test/fixtures/audio')

export interface Clip {
  readonly name: string
  readonly path: string
  readonly language: string
  readonly durationSeconds: number
  readonly text: string
}

export const hasFullSet = existsSync(FULL_SET)

interface Reference {
  readonly file: string
  readonly language: string
  readonly duration: number
  readonly text: string
}

function clipsIn(folder: string): readonly Clip[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Reference)
    .map(({ file, language, duration, text }) => ({
      name: file.replace(/\.\w+$/, ''),
      path: join(folder, file),
      language,
      durationSeconds: duration,
      text,
    }))
}

/** Every recording that is here, at most this long. */
export function clips(maxSeconds: number): readonly Clip[] {
  return clipsIn(hasFullSet ? FULL_SET : FIXTURES).filter((clip) => clip.durationSeconds <= maxSeconds)
}

/** One of the recordings that come with the project. */
export function fixture(file: string): string {
  return join(FIXTURES, file)
}
