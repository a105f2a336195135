import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/** Those that take half a minute and more, the longest first: begun last, one of them would have the machine to itself at the end. */
const LONGEST = [
  'test/server/crash.test.ts',
  'test/chaos/chaos.test.ts',
  'src/models/whisper/transcription/transcribe.test.ts',
  'src/worker/engine-process.test.ts',
  'test/server/cluster.test.ts',
  'src/models/whisper/inference/device-model.test.ts',
  'test/server/device.test.ts',
  'src/worker/engine-pool.test.ts',
  'src/models/whisper/resume/resume.test.ts',
  'test/server/command-line.test.ts',
  'src/models/whisper/shapes.test.ts',
  'test/server/second-family.test.ts',
]

/** The order in which files are begun; what their tests say does not depend on it. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rankOf = ({ moduleId }: TestSpecification): number => {
      const rank = LONGEST.findIndex((path) => moduleId.endsWith(path))
      return rank === -1 ? LONGEST.length : rank
    }
    return (await super.sort(files)).toSorted((one, other) => rankOf(one) - rankOf(other))
  }
}
