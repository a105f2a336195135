import { expect, test } from 'vitest'
import { unexpectedErrors } from './log-faults.ts'

const full = { name: 'a full disk', startedMs: 1000, endedMs: 2000 }
const at = (atMs: number, err: object, level = 50) => ({ atMs, text: JSON.stringify({ level, msg: 'x', err }) })

test.each([
  ['of a full disk, while it is full', at(1500, { code: 'engine.disk_full' }), 0],
  ['of a full disk, before any was', at(500, { code: 'engine.disk_full' }), 1],
  ['of a full disk, long after it was', at(500_000, { code: 'store.unavailable' }), 1],
  ['that a full disk does not explain', at(1500, { code: 'server.failed' }), 1],
  ['without a code', at(1500, { type: 'TypeError' }), 1],
  ['that is only a warning', at(1500, { type: 'TypeError' }, 40), 0],
  ['of PostgreSQL, where only a disk was full', at(1500, { code: 'payload.interrupted' }), 1],
  ['as a bare stack trace', { atMs: 1500, text: '    at file:///src/x.ts:1:2' }, 1],
])('an error %s', (_, line, faults) => {
  expect(unexpectedErrors([line], [full])).toHaveLength(faults)
})
