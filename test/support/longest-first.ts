import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'

/**
 * Those that take ten seconds and more, the longest first: begun last, one of them would have the machine to itself at the end. The first
 * ones wait half of their time, and leave the cores to those behind them.
 */
export const LONGEST = [
  'test/server/crash.test.ts',
  'test/chaos/chaos.test.ts',
  'src/models/whisper/inference/device-model.test.ts',
  'test/server/cluster.test.ts',
  'src/worker/engines/engine-process.test.ts',
  'src/models/whisper/transcription/transcribe.test.ts',
  'test/server/device.test.ts',
  'test/server/two-models.test.ts',
  'src/jobs/postgres/store.test.ts',
  'src/jobs/sqlite/store.test.ts',
  'test/server/command-line.test.ts',
  'test/server/sample-client.test.ts',
  'src/models/whisper/resume/resume.test.ts',
  'src/worker/engines/engine-pool.test.ts',
  'test/server/hub.test.ts',
  'src/models/whisper/shapes.test.ts',
  'test/support/postgres.test.ts',
  'src/models/whisper/weights/hostile-model.test.ts',
  'test/server/hostile-recordings.test.ts',
  'src/jobs/queue/claim-cost.test.ts',
  'test/upgrade/cluster.test.ts',
  'test/upgrade/embedded.test.ts',
  'test/server/signed-urls.test.ts',
  'test/server/forecast.test.ts',
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
