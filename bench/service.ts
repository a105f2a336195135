import { cpus } from 'node:os'
import process from 'node:process'
import { claims } from './service/claims.ts'
import { forecasts } from './service/forecasts.ts'
import { latency } from './service/latency.ts'
import type { ServiceRow } from './service/measurement.ts'
import { openai } from './service/openai.ts'
import { streams, waits } from './service/open-requests.ts'
import { polls } from './service/polls.ts'
import { submits } from './service/submits.ts'
import { uploads } from './service/uploads.ts'
import { webhooks } from './service/webhooks.ts'

/** Each beside its ceiling, measured in the same run. */
const PARTS: Readonly<Record<string, () => AsyncGenerator<ServiceRow>>> = {
  submits,
  polls,
  latency,
  uploads,
  claims,
  forecasts,
  openai,
  streams,
  waits,
  webhooks,
}

/**
 * What the service around the engine carries: JSON lines and a table.
 *
 *     npm run bench -- service [part…]
 */
export async function run(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !(name in PARTS))
  if (unknown !== undefined) throw new Error(`there is no part ${unknown}; there are ${Object.keys(PARTS).join(', ')}`)
  console.log(JSON.stringify({ cpu: cpus()[0]?.model.trim(), cores: cpus().length, node: process.version }))
  const rows: ServiceRow[] = []
  for (const name of names.length > 0 ? names : Object.keys(PARTS)) {
    for await (const row of PARTS[name]?.() ?? []) {
      console.log(JSON.stringify(row))
      rows.push(row)
    }
  }
  console.table(
    rows.map(({ what, on, ours, ceiling, ratio, unit, goal }) => ({
      what,
      on,
      ours: rounded(ours),
      ceiling: rounded(ceiling),
      ratio: rounded(ratio),
      unit,
      goal,
    })),
  )
}

function rounded(value: number | null): number | null {
  if (value === null) return null
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
