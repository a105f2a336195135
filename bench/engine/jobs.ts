import { modelFolder, speech } from './inputs.ts'
import type { ModelName } from './inputs.ts'
import { inTurns } from './measurements.ts'
import type { Sample, Side } from './measurements.ts'
import { engineTask, transcribe, withEngine } from './sotto.ts'
import type { Parameters, Recording } from './sotto.ts'
import { peakMb } from './machine.ts'

/** What jobs of the same model gain by running at once. */
export interface JobsRow {
  readonly row: 'jobs'
  readonly on: string
  readonly jobs: number
  readonly audioSeconds: number
  readonly oneByOneSeconds: number
  readonly atOnceSeconds: number
  readonly timesFaster: number
  readonly goal: number
  readonly oneByOnePeakMb: number | null
  readonly atOncePeakMb: number | null
  /** Whether the texts are the same; numbers of a batch may differ in their last digits. */
  readonly isSameText: boolean
}

const JOBS = 8
const JOB_SECONDS = 60

/** Where the jobs begin in the recording: it is five minutes long, so they overlap. */
const STRIDE_SECONDS = 30

export async function jobs(on: ModelName, beamSize: number | null, repeats: number): Promise<JobsRow> {
  const folder = await modelFolder(on)
  const parameters: Parameters = { beamSize, conditionOnPreviousText: on === 'demo', withoutTimestamps: false }
  const recordings: Recording[] = []
  for (let job = 0; job < JOBS; job++) {
    recordings.push(await speech({ fromSeconds: job * STRIDE_SECONDS, seconds: JOB_SECONDS }))
  }
  const side = (name: string, runAll: (runs: readonly (() => Promise<string>)[]) => Promise<string[]>): Side => ({
    name,
    run: () => sample(folder, recordings, parameters, runAll),
  })
  const oneByOne = side('one by one', async (runs) => {
    const texts: string[] = []
    for (const run of runs) texts.push(await run())
    return texts
  })
  const atOnce = side('at once', (runs) => Promise.all(runs.map((run) => run())))
  const measured = await inTurns(atOnce, [oneByOne], repeats)
  return {
    ...{ row: 'jobs', on: `${on}, ${beamSize === null ? 'greedy' : `${beamSize} beams`}`, jobs: JOBS, goal: 2 },
    audioSeconds: JOBS * JOB_SECONDS,
    oneByOneSeconds: measured.peer.seconds,
    atOnceSeconds: measured.ours.seconds,
    timesFaster: measured.peer.seconds / measured.ours.seconds,
    oneByOnePeakMb: measured.peer.peakMb,
    atOncePeakMb: measured.ours.peakMb,
    isSameText: measured.peer.text === measured.ours.text,
  }
}

async function sample(
  folder: string,
  recordings: readonly Recording[],
  parameters: Parameters,
  runAll: (runs: readonly (() => Promise<string>)[]) => Promise<string[]>,
): Promise<Sample> {
  return await withEngine(folder, async (engine) => {
    await transcribe(engine, engineTask(recordings[0]?.second ?? '', parameters))
    const startMs = performance.now()
    const texts = await runAll(
      recordings.map(
        ({ path }) =>
          () =>
            transcribe(engine, engineTask(path, parameters)),
      ),
    )
    const seconds = (performance.now() - startMs) / 1000
    return { seconds, text: texts.join('\n'), peakMb: await peakMb(engine.pid) }
  })
}
