import { randomUUIDv7 } from 'node:crypto'

/** The counter's twelve bits, which stand behind the time. */
const MAX_COUNT = 0xfff

let time = ''
let count = 0

/**
 * The id of a new job: a UUID of version 7 that is greater than all that this process made before, also within one millisecond, which
 * Node's own are not. The bits behind the time count (RFC 9562, 6.2, method 1); 62 random ones tell processes apart.
 */
export function newJobId(): string {
  const id = randomUUIDv7()
  const now = id.slice(0, 13)
  // A clock that was set back is waited for.
  count = now > time ? 0 : count + 1
  if (now > time) time = now
  if (count > MAX_COUNT) {
    time = later(time)
    count = 0
  }
  return `${time}-7${count.toString(16).padStart(3, '0')}${id.slice(18)}`
}

/** The next millisecond, as a UUID writes it. */
function later(written: string): string {
  const next = (Number.parseInt(written.replace('-', ''), 16) + 1).toString(16).padStart(12, '0')
  return `${next.slice(0, 8)}-${next.slice(8)}`
}
