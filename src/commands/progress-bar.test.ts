import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { showProgress } from './progress-bar.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

/** Remembers what is written to it. */
class Terminal {
  readonly isTTY: boolean
  written: string[] = []

  constructor(isTTY = true) {
    this.isTTY = isTTY
  }

  write(text: string | Uint8Array): boolean {
    this.written.push(String(text))
    return true
  }

  /** What stands there, without the codes around it. */
  get line(): string {
    // oxlint-disable-next-line no-control-regex
    return this.written.at(-1)?.replaceAll(/\r|\u001B\[\??\d*[a-zA-Z]/g, '') ?? ''
  }
}

test('it shows what is done, of how much, and what is left at the speed so far', () => {
  const terminal = new Terminal()
  using bar = showProgress(terminal, 'talk.mp3', 's')
  bar.update(20, 120)
  expect(terminal.line).toBe(`talk.mp3  ${'█'.repeat(7)}${'░'.repeat(33)} 16 %  20 of 120 s`)
  vi.advanceTimersByTime(8_000)
  bar.update(30, 120)
  expect(terminal.line).toBe(`talk.mp3  ${'█'.repeat(10)}${'░'.repeat(30)} 25 %  30 of 120 s  1:12 left`)
})

test('it draws ten times a second at most', () => {
  const terminal = new Terminal()
  using bar = showProgress(terminal, 'talk.mp3', 's')
  for (let done = 0; done < 1_000; done++) {
    bar.update(done, 1_000)
    vi.advanceTimersByTime(1)
  }
  expect(terminal.written).toHaveLength(10)
})

test.each([
  [0, 0, 0],
  [5, 4, 100],
  [-1, 4, 0],
])('%d of %d is drawn as %d %%', (done, total, percent) => {
  const terminal = new Terminal()
  using bar = showProgress(terminal, 'talk.mp3', 's')
  bar.update(done, total)
  expect(terminal.line).toContain(` ${percent} %`)
})

test('it clears its line in the end, once, and only if it drew', () => {
  const terminal = new Terminal()
  {
    using bar = showProgress(terminal, 'talk.mp3', 's')
    bar[Symbol.dispose]()
    expect(terminal.written).toEqual([])
    bar.update(1, 2)
    bar[Symbol.dispose]()
  }
  expect(terminal.written.slice(1)).toEqual(['\r\u001B[K'])
})

test('a long line is cut off at the terminal’s end, and lines after it are not', () => {
  const terminal = new Terminal()
  using bar = showProgress(terminal, 'a'.repeat(500), 's')
  bar.update(1, 2)
  expect(terminal.written[0]?.startsWith('\r\u001B[K\u001B[?7laaa')).toBe(true)
  expect(terminal.written[0]?.endsWith('1 of 2 s\u001B[?7h')).toBe(true)
})

test('where the stream is no terminal nothing is written', () => {
  const file = new Terminal(false)
  using bar = showProgress(file, 'talk.mp3', 's')
  bar.update(1, 2)
  bar[Symbol.dispose]()
  expect(file.written).toEqual([])
})
