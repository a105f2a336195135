import { expect, test } from 'vitest'
import { NO_TRACER, readTraceparent } from './tracing.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

test.each([
  [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`],
  [`00-${TRACE}-${SPAN}-00`, `00-${TRACE}-${SPAN}-00`],
  [`cc-${TRACE}-${SPAN}-01-what-the-future-holds`, `00-${TRACE}-${SPAN}-01`],
])('%s is a traceparent', (header, read) => {
  expect(readTraceparent(header)).toBe(read)
})

test.each([
  undefined,
  '',
  [`00-${TRACE}-${SPAN}-01`],
  `ff-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01-more`,
  `cc-${TRACE}-${SPAN}-01more`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE}-${SPAN}`,
  ` 00-${TRACE}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01\n`,
])('%j is none', (header) => {
  expect(readTraceparent(header)).toBeNull()
})

test('where nothing is traced, the trace of others is passed on', () => {
  const parent = `00-${TRACE}-${SPAN}-01`
  expect(NO_TRACER.start('anything', { parent }).traceparent).toBe(parent)
  expect(NO_TRACER.start('anything', { parent: null }).traceparent).toBeNull()
})
