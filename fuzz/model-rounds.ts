import type { Client } from '../test/support/client.ts'
import { temporaryFolder } from '../test/support/server.ts'
import type { Finding, FuzzOptions, PartReport } from './cases.ts'
import { embedded } from './installation.ts'
import type { Installation } from './installation.ts'
import { faultsOfJob, finished } from './jobs.ts'
import { worseOf } from './watch/watch.ts'
import type { WatchFigures } from './watch/watch.ts'
import { runWatched } from './watched.ts'

/** A server knows its models from its start on: so many cases share one. */
const MODELS_AT_ONCE = 12
const NOTHING_YET: WatchFigures = {
  ...{ pings: 0, unanswered: 0, longestMs: 0, longestOwnMs: 0, controlLongestMs: 0 },
  ...{ residentStartBytes: 0, residentPeakBytes: 0, enginesPeak: 0 },
}

export interface FuzzedModel {
  readonly id: string
  /** Of its case. */
  readonly number: number
}

/** A hub that has a round's models. */
export interface RoundHub extends AsyncDisposable {
  readonly url: string
  readonly run: (installation: Installation, id: string) => Promise<readonly string[]>
}

/** Rounds of a server each that fetches its models from a hub, until time or number is used up. */
export async function runModelRounds(
  options: FuzzOptions,
  part: string,
  openHub: (models: readonly FuzzedModel[]) => Promise<RoundHub>,
): Promise<PartReport> {
  // The start of a server does not count.
  let leftMs = options.seconds * 1000
  const findings: Finding[] = []
  let watch = NOTHING_YET
  let cases = 0
  let rounds = 0
  while (leftMs > 0 && cases < options.maxCases) {
    const count = Math.min(MODELS_AT_ONCE, options.maxCases - cases)
    const first = options.firstCase + cases
    const models = Array.from({ length: count }, (_, n) => ({ id: `fuzz/case-${first + n}`, number: first + n }))
    await using hub = await openHub(models)
    await using home = await temporaryFolder()
    await using installation = await embedded({
      ...{ HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0', HF_HOME: home.path, SOTTO_CACHE_DIR: home.path },
      SOTTO_MODELS: models.map(({ id }) => id).join(','),
    })
    let startedMs: number | undefined
    const report = await runWatched(
      { ...options, seconds: leftMs / 1000, firstCase: first, maxCases: count },
      {
        ...{ part, installation, atOnce: 2, engines: MODELS_AT_ONCE + 1 },
        run: (_random, number) => {
          startedMs ??= performance.now()
          return hub.run(installation, `fuzz/case-${number}`)
        },
      },
    )
    cases += report.cases
    leftMs -= performance.now() - (startedMs ?? 0)
    rounds += 1
    findings.push(...report.findings)
    watch = worseOf(watch, report.watch)
  }
  return { part, cases, findings, watch, figures: [`${rounds} rounds of ${MODELS_AT_ONCE} models at most`] }
}

/** Submits to a model and waits for the end. */
export async function faultsOfModelJob(client: Client, model: string, url: string): Promise<readonly string[]> {
  const { id } = await client.submit(url, { model })
  try {
    return faultsOfJob(id, await finished(client, id))
  } catch (error) {
    return [String(error)]
  }
}
