import type { ComparisonRow } from './comparison.ts'
import type { JobsRow } from './jobs.ts'
import type { Machine } from './machine.ts'
import type { MemoryRow } from './memory.ts'
import type { StepsRow } from './steps.ts'

/** What a part of the benchmark finds out. */
export type Result =
  | ComparisonRow
  | JobsRow
  | MemoryRow
  | StepsRow
  | { readonly row: 'failed'; readonly part: string; readonly message: string }

/** A line of the benchmark's output. */
export type Row =
  | ({ readonly row: 'machine' } & Machine)
  /** With the percentage of the cores that others took while it was measured. */
  | (Result & { readonly othersPercent: number | null })

/** A table for each kind of row that was measured. */
export function printTables(rows: readonly Row[]): void {
  const kinds = new Set(rows.map(({ row }) => row))
  for (const kind of kinds) {
    if (kind !== 'machine') console.table(rows.filter(({ row }) => row === kind).map(tableRow))
  }
}

function tableRow(row: Row): Readonly<Record<string, unknown>> {
  const columns = columnsOf(row)
  return 'othersPercent' in row ? { ...columns, 'others on the cores, %': round(row.othersPercent) } : columns
}

function columnsOf(row: Row): Readonly<Record<string, unknown>> {
  switch (row.row) {
    case 'comparison':
      return {
        against: row.against,
        on: row.on,
        'ours, s': round(row.ours.seconds),
        'theirs, s': row.peer === 'not here' ? 'not here' : round(row.peer.seconds),
        'times faster': round(row.timesFaster),
        goal: row.goal,
        'ours, audio s/s': round(row.audioSeconds / row.ours.seconds),
        'ours, MB': round(row.ours.peakMb),
        'other words, %': round(row.otherWordsPercent),
        'our WER, %': round(row.ourWordErrorPercent),
        'their WER, %': round(row.peerWordErrorPercent),
      }
    case 'jobs':
      return {
        on: row.on,
        jobs: row.jobs,
        'one by one, s': round(row.oneByOneSeconds),
        'at once, s': round(row.atOnceSeconds),
        'times faster': round(row.timesFaster),
        goal: row.goal,
        'one by one, MB': round(row.oneByOnePeakMb),
        'at once, MB': round(row.atOncePeakMb),
        'same text': row.isSameText,
      }
    case 'memory':
      return {
        on: row.on,
        'a minute, MB': round(row.minutePeakMb),
        'an hour, MB': round(row.hourPeakMb),
        'growth, %': round(row.growthPercent),
        'limit at 4 / 2 / 1 bytes, MB': Object.values(row.limitMb).map(Math.round).join(' / '),
        'the hour, s': round(row.hourSeconds),
      }
    case 'steps':
      return {
        on: row.on,
        'encoder window, ms': round(row.encoderWindow),
        'step of 1, ms': round(row.stepOf1),
        'step of 5 beams, ms': round(row.stepOf5),
        'bare work of a window, ms': round(row.ceiling.encoderWindow),
        'bare reading of a step, ms': round(row.ceiling.step),
      }
    case 'failed':
      return { part: row.part, failed: row.message.slice(0, 120) }
    case 'machine':
      return { ...row }
  }
}

function round(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100
}
