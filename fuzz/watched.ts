import type { Finding, FuzzOptions, PartReport } from './cases.ts'
import { runCases } from './cases.ts'
import { warmUp } from './installation.ts'
import type { Installation } from './installation.ts'
import { settle } from './jobs.ts'
import { secretsInLog } from './log.ts'
import { Watch } from './watch/watch.ts'

export interface WatchedPart {
  readonly part: string
  readonly installation: Installation
  /** Cases at the same time. */
  readonly atOnce: number
  /** Engine processes that may be there at the same time. */
  readonly engines: number
  /** Says what is wrong, if anything is. */
  readonly run: (random: () => number, number: number) => Promise<readonly string[]>
  /** More that was counted. */
  readonly figures?: () => readonly string[]
}

/**
 * Runs cases against an installation that is watched from another process, and looks at what it is like afterwards: all jobs have
 * finished and can be read, it is ready, and its log has no secret.
 */
export async function runWatched(options: FuzzOptions, given: WatchedPart): Promise<PartReport> {
  const { part, installation, atOnce, run } = given
  await warmUp(installation)
  await using watch = await Watch.start(installation.server, { engines: given.engines })
  let isGone = false
  const { cases, findings } = await runCases(
    options,
    { part, atOnce, mayGoOn: () => !isGone },
    async (random, number) => {
      try {
        return await run(random, number)
      } catch (error) {
        // A server that is gone would fail all cases that follow.
        isGone ||= !(await answers(installation))
        throw error
      }
    },
  )
  const afterwards = await lookAfterwards(installation).catch((error: unknown) => ({ jobs: 0, what: [String(error)] }))
  const figures = await watch.figures()
  const watched = await watch.faults()
  const general = [...afterwards.what, ...watched].map((what): Finding => ({ part, case: undefined, what }))
  return {
    part: `${part} (${installation.name})`,
    cases,
    findings: [...findings, ...general],
    watch: figures,
    figures: [`${afterwards.jobs} jobs at the end`, ...(given.figures?.() ?? [])],
  }
}

async function answers({ server }: Installation): Promise<boolean> {
  return await fetch(`${server.url}/healthz`, { signal: AbortSignal.timeout(60_000) }).then(
    ({ ok }) => ok,
    () => false,
  )
}

async function lookAfterwards(
  installation: Installation,
): Promise<{ readonly jobs: number; readonly what: readonly string[] }> {
  if (!(await answers(installation))) {
    const lastWords = installation.server.output.slice(-2000)
    return { jobs: 0, what: [`the server does not answer any more. The end of its log:\n${lastWords}`] }
  }
  const { jobs, faults, transcripts } = await settle(installation.client)
  const what = [...faults, ...secretsInLog(installation, transcripts)]
  const ready = await fetch(`${installation.server.url}/readyz`)
  if (ready.status !== 200) what.push(`/readyz: ${ready.status} ${await ready.text()}`)
  return { jobs, what }
}
